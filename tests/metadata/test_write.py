"""What is written reads back as the same, and a change touches only the lines it must."""

from __future__ import annotations

import difflib
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.metadata.sites import source
from xrm.errors import ModelError
from xrm.metadata import load_source
from xrm.metadata.compose import compose
from xrm.metadata.edit import Edit
from xrm.metadata.write import Remove, Rename, Set, add, format_text, render, reorder, update

DEAL = """\
# Deals: what we sell

entity: deal   # the first key
title: Deal
fields:
  # what it is called
  name:     {type: text, required: true}   # keep me
  amount:   {type: money}

  old: text
  kind:
    type: choice   # a block
    choices:
      - a   # first
      - b
checks:
  - require: "amount > 0"
    message: Too little.
views:
  list: {columns: [name, amount]}
# the end
---
role: seller
grants: []
"""


def data(text: str, number: int = 0) -> Any:
    documents, issues = compose(source(text))
    assert not issues, [str(issue) for issue in issues]
    return documents[number].plain()


def changed(text: str, *edits: Edit, name: str = "") -> list[str]:
    """Return the lines that differ after the edits, as `-old` and `+new`."""
    result = update(text, edits, name)
    lines = difflib.ndiff(text.splitlines(), result.splitlines())
    return [line[0] + line[2:] for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(("edit", "difference"), [
    (Set(("fields", "name", "max"), 200), [
        "-  name:     {type: text, required: true}   # keep me",
        "+  name:     {type: text, required: true, max: 200}   # keep me",
    ]),
    (Set(("fields", "name", "title"), "Name, in full"), [
        "-  name:     {type: text, required: true}   # keep me",
        '+  name:     {type: text, title: "Name, in full", required: true}   # keep me',
    ]),
    (Set(("fields", "name", "required"), False), [
        "-  name:     {type: text, required: true}   # keep me",
        "+  name:     {type: text, required: false}   # keep me",
    ]),
    (Set(("fields", "name"), {"type": "text", "required": True, "index": True}), [
        "-  name:     {type: text, required: true}   # keep me",
        "+  name:     {type: text, required: true, index: true}   # keep me",
    ]),
    (Remove(("fields", "name", "required")), [
        "-  name:     {type: text, required: true}   # keep me",
        "+  name:     {type: text}   # keep me",
    ]),
    (Remove(("fields", "name", "type")), [
        "-  name:     {type: text, required: true}   # keep me",
        "+  name:     {required: true}   # keep me",
    ]),
    (Remove(("fields", "amount")), ["-  amount:   {type: money}"]),
    (Set(("fields", "region"), {"type": "text", "help": "Where?"}), ["+  region: {type: text, help: Where?}"]),
    (Set(("fields", "old", "required"), True), ["-  old: text", "+  old: {type: text, required: true}"]),
    (Rename(("fields", "old"), "new"), ["-  old: text", "+  new: text"]),
    (Set(("fields", "kind", "title"), "Kind"), ["+    title: Kind"]),
    (Set(("fields", "kind", "choices"), ["a", "b", "c"]), ["+      - c"]),
    (Set(("fields", "kind", "choices"), ["a", "x"]), ["-      - b", "+      - x"]),
    (Remove(("fields", "kind", "choices", 0)), ["-      - a   # first"]),
    (Set(("title",), "Chance"), ["-title: Deal", "+title: Chance"]),
    (Set(("title",), "no"), ["-title: Deal", '+title: "no"']),
    (Remove(("title",)), ["-title: Deal"]),
    (Set(("search",), ["name"]), ["+search: [name]"]),
    (Set(("label",), "{name}"), ['+label: "{name}"']),
    (Set(("description",), "One.\nTwo.\n"), ["+description: |", "+  One.", "+  Two."]),
    (Set(("views", "form"), {"sections": [{"title": "A", "fields": ["name"]}]}), [
        "+  form: {sections: [{title: A, fields: [name]}]}",
    ]),
    (Set(("views", "list", "sort"), "-amount"), [
        "-  list: {columns: [name, amount]}", "+  list: {columns: [name, amount], sort: -amount}",
    ]),
    (Set(("views", "list", "columns"), ["name", "amount", "kind"]), [
        "-  list: {columns: [name, amount]}", "+  list: {columns: [name, amount, kind]}",
    ]),
    (Set(("checks", 0, "message"), "More!"), ["-    message: Too little.", "+    message: More!"]),
    (Set(("checks", 1), {"require": "kind == 'a'", "message": "A"}), ["+  - {require: \"kind == 'a'\", message: A}"]),
    (Set(("checks", 0, "when"), "true"), [
        '+  - when: "true"', '-  - require: "amount > 0"', '+    require: "amount > 0"',
    ]),
    (Remove(("views",)), ["-views:", "-  list: {columns: [name, amount]}"]),
    (Remove(("views", "list")), ["-views:", "+views: {}", "-  list: {columns: [name, amount]}"]),
    (Set(("workflow", "states"), {"new": {}, "won": {"final": "won"}}), [
        "+workflow:", "+  states:", "+    new: {}", "+    won: {final: won}",
    ]),
    (Set(("workflow", "states"), {"new": None}), ["+workflow:", "+  states:", "+    new: null"]),
], ids=repr)  # fmt: skip
def test_a_change_touches_only_the_lines_it_must(edit: Edit, difference: list[str]) -> None:
    assert changed(DEAL, edit) == difference


def test_a_change_that_changes_nothing_touches_nothing() -> None:
    whole = data(DEAL)
    assert update(DEAL, [Set((key,), value) for key, value in whole.items()]) == DEAL
    assert update(DEAL, [Set(("fields",), whole["fields"])]) == DEAL


def test_the_other_definitions_of_a_file_are_reached_by_name() -> None:
    grant = {"entity": "deal", "actions": ["read"]}
    assert changed(DEAL, Set(("grants",), [grant]), name="seller") == [
        "-grants: []", "+grants:", "+  - {entity: deal, actions: [read]}",
    ]  # fmt: skip


def test_edits_are_made_one_after_the_other() -> None:
    result = update(DEAL, [
        Rename(("fields", "old"), "new"), Set(("fields", "new", "was"), "old"),
        Set(("fields", "extra"), {"type": "date"}),
    ])  # fmt: skip
    assert "  new: {type: text, was: old}\n" in result
    assert "  extra: {type: date}\n" in result
    assert "# what it is called\n" in result


def test_new_fields_stand_in_the_column_of_the_others() -> None:
    text = "entity: a\nfields:\n  name:      {type: text}\n  last_name: {type: text}\n"
    assert changed(text, Set(("fields", "born"), {"type": "date"})) == ["+  born:      {type: date}"]


def test_odd_layouts_are_written_anew_as_far_as_needed() -> None:
    text = "entity: a\nfields: {x: text}\nviews: {list: {columns: [\n  x, # the x\n ]}}\n"
    assert data(update(text, [Set(("fields", "y"), {"type": "text"})]))["fields"] == {
        "x": "text",
        "y": {"type": "text"},
    }
    assert data(update(text, [Set(("views", "list", "columns"), ["x", "id"])]))["views"] == {
        "list": {"columns": ["x", "id"]}
    }
    assert data(update("{entity: a, fields: {}}", [Set(("title",), "A")])) == {
        "entity": "a",
        "title": "A",
        "fields": {},
    }
    assert data(update('"entity": a\n"fields":\n  ? x\n  : text\n', [Rename(("fields", "x"), "y")]))["fields"] == {
        "y": "text"
    }


def test_windows_lines_stay_windows_lines() -> None:
    text = DEAL.replace("\n", "\r\n")
    result = update(
        text, [Set(("fields", "region"), {"type": "text"}), Remove(("fields", "amount")), Set(("label",), "{name}")]
    )
    assert "\n" not in result.replace("\r\n", "")
    assert result.count("\r\n") == text.count("\r\n") + 1


@pytest.mark.parametrize("edit", [
    Remove(("nothing",)), Remove(("fields", "nothing")), Remove(("fields", "old", "type", "x")),
    Rename(("fields", "x"), "y"),
    Remove(("checks", 7)),
], ids=repr)  # fmt: skip
def test_what_is_not_there_cannot_be_removed_or_renamed(edit: Edit) -> None:
    with pytest.raises(ModelError):
        update(DEAL, [edit])


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "a: &x 1\nb: *x", "a: 1\na: 2"])
def test_what_cannot_be_read_cannot_be_changed(text: str) -> None:
    with pytest.raises(ModelError):
        update(text, [Set(("title",), "A")])


def test_an_unknown_definition_is_told() -> None:
    with pytest.raises(ModelError, match="'lead'"):
        update(DEAL, [Set(("title",), "A")], "lead")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\0b", "\ud800", "\u2028"])
def test_values_that_yaml_of_ours_cannot_say(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        update(DEAL, [Set(("title",), value)])


def test_render_has_one_layout() -> None:
    text = """\
        entity: deal
        title: Deal
        uses: [owned]
        label: "{name}"
        fields:
          name:     {type: text, required: true, max: 200}
          customer: {type: relation, to: party, on_delete: restrict, inverse: deals}
          weighted: {type: money, formula: "amount / 2"}
          kind:
            type: choice
            title: A title that is so long that the field does not fit into one line
            choices: [first, second, third, fourth]
            help: And a help text.
        unique: [[customer, name]]
        checks:
          - {when: "state == 'lost'", require: "name != null", message: A lost deal needs a name., severity: block}
        workflow:
          field: state
          states:
            new: {}
            won: {final: won}
          transitions:
            win: {from: [new], to: won, set: {closed_on: "today()"}}
        views:
          list:  {columns: [name, customer.name], sort: -name}
          board: {by: state}
        """
    text = dedent(text)
    written = data(text)
    shuffled = {
        "fields": {k: dict(reversed(v.items())) for k, v in written["fields"].items()},
        **dict(reversed(written.items())),
    }
    shuffled["fields"] = {name: shuffled["fields"][name] for name in written["fields"]}
    assert render(written) == text
    assert render({key: shuffled[key] for key in reversed(shuffled)}) == text
    assert format_text(text) == text


def test_a_definition_is_added_to_a_file() -> None:
    more = {"entity": "lead", "fields": {"name": {"type": "text"}}}
    assert add("", more) == "entity: lead\nfields:\n  name: {type: text}\n"
    result = add(DEAL, more)
    assert result.startswith(DEAL)
    assert [d.name for d in load_source(source(result))] == ["deal", "seller", "lead"]


def test_format_keeps_comments_and_meaning() -> None:
    result = format_text(DEAL)
    assert [data(result, n) for n in (0, 1)] == [data(DEAL, n) for n in (0, 1)]
    assert all(
        comment in result for comment in ("# Deals: what we sell", "# keep me", "# first", "# a block", "# the end")
    )
    assert "\n\n  old:" in result
    assert format_text(result) == result


def test_format_puts_keys_in_order_with_their_comments() -> None:
    text = "entity: a\n# fields\nfields: {b: {required: true, type: text}}   # b\n# titles\ntitle: A\n"
    assert format_text(text) == dedent("""\
        entity: a
        # titles
        title: A
        # fields
        fields:
          b: {type: text, required: true}   # b
        """)


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\u2028\u2029\ufeff"), max_size=40
)
VALUES = st.recursive(
    TEXTS | st.sampled_from([
        "no", "12:30", "- a", "a: b", "# x", "'", '"', "|", "a\nb", "a\n", "\n", " a", "{", "true", "+x", "007",
    ])
    | st.integers(-(10**17), 10**17) | st.booleans() | st.none() | st.decimals(-999, 999, places=2).map(float),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=12,
)  # fmt: skip
DEFINITIONS = st.dictionaries(
    st.sampled_from(["title", "label", "fields", "checks", "workflow", "views", "x", "unique"]), VALUES, max_size=6
).map(lambda rest: {"entity": "deal", **rest})


@settings(max_examples=300, deadline=None)
@given(DEFINITIONS)
def test_what_is_rendered_reads_back_as_the_same(definition: dict[str, Any]) -> None:
    text = render(definition)
    assert data(text) == definition
    assert data(format_text(text)) == definition
    assert render(data(text)) == text


PATHS = st.sampled_from([
    ("title",), ("fields",), ("fields", "a"), ("fields", "b", "type"), ("fields", "b", "choices"),
    ("fields", "b", "choices", 1), ("views", "list"), ("views", "list", "columns"), ("checks",), ("checks", 0),
    ("checks", 0, "message"), ("unique",), ("x", "y"),
])  # fmt: skip
TABLES = st.sampled_from([
    "entity: deal\nfields:\n  a: text\n  b: {type: choice, choices: [x, y]}   # c\n",
    "entity: deal # c\nfields: {a: text}\nchecks:\n- message: |\n    long\n    text\n- {message: x}\nviews: {}\n",
    "# c\n---\nentity: deal\n\nfields:\n  # c\n  a: {\n    type: text, # c\n  }\n\n  b: {type: json}\n",
    "entity: deal\nfields:\n  a: text\n\n  b:\n    choices:\n    - x\n    -   y # c\n    - z\n",
    "{entity: deal, fields: {a: text}, unique: [[a, b], [c]]}",
    "entity: deal\r\nfields:\r\n  a: 'text'\r\n  b:\r\n    type: >\r\n      folded\r\n      text\r\nviews:\r\n",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(TABLES, PATHS, VALUES)
def test_any_change_reads_back_as_asked(text: str, path: tuple[str | int, ...], value: Any) -> None:
    before = data(text)
    try:
        after = data(update(text, [Set(path, value)]))
    except ModelError:  # a list has no such place
        assert any(isinstance(step, int) for step in path)
        return
    got = after
    for step in path:
        got = got[step]
    assert got == value
    assert {key: item for key, item in after.items() if key != path[0]} == {
        key: item for key, item in before.items() if key != path[0]
    }  # fmt: skip
    assert data(update(text, [Set(path, value), Set((path[0],), before.get(str(path[0])))])).get(path[0]) == before.get(
        str(path[0])
    )


# --- another order -------------------------------------------------------------------------------------------------


def test_fields_move_with_their_comments() -> None:
    result = reorder(DEAL, ("fields",), ["amount", "name", "kind", "old"], "deal")
    assert list(data(result)["fields"]) == ["amount", "name", "kind", "old"]
    assert "  # what it is called\n  name:     {type: text, required: true}   # keep me\n" in result
    assert sorted(result.split()) == sorted(DEAL.split())
    assert data(result, 1) == data(DEAL, 1)


def test_the_last_field_of_a_file_without_a_line_end_moves() -> None:
    result = reorder("entity: a\nfields:\n  x: text\n  y: text", ("fields",), ["y", "x"])
    assert result == "entity: a\nfields:\n  y: text\n  x: text\n"


def test_a_table_on_one_line_is_put_in_order() -> None:
    text = "entity: a\nfields: {x: text, y: {type: date}}\nicon: box\n"
    assert reorder(text, ("fields",), ["y", "x"]) == "entity: a\nfields: {y: {type: date}, x: text}\nicon: box\n"


@pytest.mark.parametrize("keys", [["name"], ["name", "amount", "old", "kind", "more"], []])
def test_an_order_names_every_key_once(keys: list[str]) -> None:
    with pytest.raises(ModelError, match="these are not the keys of fields"):
        reorder(DEAL, ("fields",), keys)


@given(st.permutations(["name", "amount", "old", "kind"]))
def test_any_order_says_the_same(keys: list[str]) -> None:
    result = data(reorder(DEAL, ("fields",), keys))
    assert list(result["fields"]) == list(keys)
    assert result == data(DEAL)
