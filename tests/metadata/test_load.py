"""Files become definitions; every fault of every file is told at once, at its place, with a way to mend it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.metadata.sites import found, hints, reviewed, source
from xrm.errors import ModelError
from xrm.metadata import load_source, read_layer
from xrm.metadata.compose import MAX_BYTES

MANY_FAULTS = """\
entity: customer
label: "{name}"
fields:
  name:
    type: text
    required: yes
    max_length: 0
  country:
    type: choice
    choices: [de, no, se, 12]
  since: {type: dat}
  name:
    type: text
  Bad-Name: {type: text}
  half: {type: decimal, scale: 40}
colour: red
"""


def test_all_faults_of_a_file_are_told_at_once() -> None:
    assert found(MANY_FAULTS) == [
        "site.yaml:6:15 wrong_type",
        "site.yaml:7:5 unknown_key",
        "site.yaml:10:27 wrong_type",
        "site.yaml:11:17 not_allowed",
        "site.yaml:12:3 duplicate_key",
        "site.yaml:14:3 bad_name",
        "site.yaml:15:32 out_of_range",
        "site.yaml:16:1 unknown_key",
    ]


def test_faults_say_how_to_mend_them() -> None:
    assert {"write true", "did you mean 'max'?", "put it in quotes", "did you mean 'date'?"} <= set(hints(MANY_FAULTS))


def test_faults_of_several_files_and_of_references_are_told_together() -> None:
    first = source("entity: a\nfields: {x: {type: text, requird: true}}\n", file="a.yaml")
    second = source("entity: b\nfields: {x: {type: relation, to: nowhere}}\nlabel: '{y}'\n", file="b.yaml")
    third = source("entity: c\nfields: {x: [\n", file="c.yaml")
    assert found(first, second, third) == [
        "a.yaml:2:26 unknown_key",
        "b.yaml:2:34 unknown_entity",
        "b.yaml:3:8 unknown_field",
        "c.yaml:3:1 yaml_syntax",
    ]


def test_a_fault_has_no_echo_where_the_faulty_part_is_used() -> None:
    """What could not be read is missing; nobody who refers to it is blamed for that."""
    broken = source(
        "entity: a\nfields: {x: {type: txt}, y: text}\nlabel: '{x}'\nviews: {list: {columns: [x, y]}}\n", file="a.yaml"
    )
    user = source("entity: b\nfields: {r: {type: relation, to: a}}\nviews: {list: {columns: [r.x]}}\n", file="b.yaml")
    assert found(broken, user) == ["a.yaml:2:20 not_allowed"]


def test_an_unreadable_file_has_no_echo_either() -> None:
    broken = source("entity: a\nfields: {x: text\n---\nrole: boss\ngrants: []\n", file="a.yaml")
    user = source(
        """\
        entity: b
        fields: {r: {type: relation, to: a}}
        workflow:
          states: {x: , y: {final: done}}
          transitions: {go: {from: x, to: y, roles: [boss]}}
        ---
        extends: a
        fields: {z: text}
        """,
        file="b.yaml",
    )
    assert [entry.split()[1] for entry in found(broken, user)] == ["yaml_syntax"]


@pytest.mark.parametrize(("text", "finding"), [
    ("", "site.yaml:1:1 empty_file"),
    ("# nothing yet\n", "site.yaml:1:1 empty_file"),
    ("---\n---\n", "site.yaml:1:1 empty_file"),
    ("null", "site.yaml:1:1 empty_file"),
    ("just words", "site.yaml:1:1 unknown_kind"),
    ("- entity: a", "site.yaml:1:1 unknown_kind"),
    ("[]", "site.yaml:1:1 unknown_kind"),
    ("{}", "site.yaml:1:1 unknown_kind"),
    ("entitty: a\nfields: {}", "site.yaml:1:1 unknown_kind"),
    ("title: A\nentity: a\nfields: {}", "site.yaml:1:1 unknown_kind"),
    ("entity: a", "site.yaml:1:1 missing_key"),
    ("entity: A\nfields: {}", "site.yaml:1:9 bad_name"),
    ("entity: 5\nfields: {}", "site.yaml:1:9 wrong_type"),
    ("entity: [a]\nfields: {}", "site.yaml:1:9 wrong_type"),
    ("entity: a\nfields:", "site.yaml:2:8 wrong_type"),
    ("entity: a\nfields: {x: }", "site.yaml:2:13 wrong_type"),
    ("entity: a\nfields: {x: {}}", "site.yaml:2:10 missing_type"),
    ('entity: "a\\n"\nfields: {}', "site.yaml:1:1 grammar"),
    ("role: r\ngrants: [{entity: party}]", "site.yaml:2:10 missing_key"),
    ("entity: a\nfields: {}\nchecks: [{require: x}]", "site.yaml:3:10 missing_key"),
    ("entity: a\nfields: {}\nextends: a", "site.yaml:3:1 unknown_key"),
    ("trait: t\nlabel: '{x}'", "site.yaml:2:1 unknown_key"),
    ("entity: a\nfields: {x: {type: text, title: ''}}", "site.yaml:2:33 out_of_range"),
    ("entity: a\nfields: {x: text}\nworkflow: {states: {}}", "site.yaml:3:20 out_of_range"),
    (f"entity: a\nfields: {{}}\ntitle: {'x' * 121}", "site.yaml:3:8 out_of_range"),
])  # fmt: skip
def test_what_the_grammar_refuses(text: str, finding: str) -> None:
    assert found(text) == [finding]


def test_a_first_key_in_the_wrong_place_is_recognised() -> None:
    assert hints("title: A\nentity: a\nfields: {}") == ["move 'entity' to the top"]
    assert hints("entitty: a\nfields: {}") == ["did you mean 'entity'?"]


def test_a_removed_entity_needs_no_fields() -> None:
    assert reviewed("entity: gone\nremoved: true\n").valid


def test_load_source_returns_the_definitions_as_written() -> None:
    definitions = load_source(source("entity: a\nfields: {x: text}\n---\n---\nrole: r\n"))
    assert [(d.kind, d.name, str(d.origin)) for d in definitions] == [
        ("entity", "a", "site.yaml:1:9"), ("role", "r", "site.yaml:5:7"),
    ]  # fmt: skip
    assert definitions[0].data == {"entity": "a", "fields": {"x": "text"}}


def test_load_source_raises_everything_at_once() -> None:
    with pytest.raises(ModelError) as raised:
        load_source(source(MANY_FAULTS))
    assert len(raised.value.issues) == 8


def test_a_layer_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yaml", "a/y.yaml", ".hidden.yaml", ".git/x.yaml", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}", encoding="utf-8")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfentity: a")
    sources = read_layer("crm", tmp_path, "crm/")
    assert [s.file for s in sources] == ["crm/a/y.yaml", "crm/a/z.yaml", "crm/b.yaml", "crm/bom.yaml"]
    assert {s.layer for s in sources} == {"crm"}
    assert sources[3].text == "entity: a"


def test_a_folder_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert read_layer("site", tmp_path / "nothing") == ()


def test_links_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "entities"
    inside.mkdir()
    (tmp_path / "secret.yaml").write_text("entity: secret", encoding="utf-8")
    (inside / "a.yaml").write_text("entity: a", encoding="utf-8")
    (inside / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (inside / "again.yaml").symlink_to(inside / "a.yaml")
    (inside / "nowhere.yaml").symlink_to(inside / "missing.yaml")
    (inside / "up").symlink_to(tmp_path)
    os.mkfifo(inside / "pipe.yaml")
    assert [s.file for s in read_layer("site", inside)] == ["a.yaml", "again.yaml"]


def test_all_unreadable_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"entity: a\ntitle: caf\xe9\n")
    (tmp_path / "b.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    (tmp_path / "c.yml").write_text("entity: c", encoding="utf-8")
    (tmp_path / "d.yaml").write_text("entity: d", encoding="utf-8")
    with pytest.raises(ModelError) as raised:
        read_layer("site", tmp_path, "entities/")
    assert [f"{issue.path} {issue.code}" for issue in raised.value.issues] == [
        "entities/a.yaml:2:11 unreadable_file",
        "entities/b.yaml:1:1 file_too_large",
        "entities/c.yml:1:1 file_name",
    ]
