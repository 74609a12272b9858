"""Places of findings, diagrams, choices and the client: what needs no screen."""

from __future__ import annotations

import json

import httpx
import pytest

from studio import diagrams, show, words
from studio.client import Client, Problem
from studio.designer.choices import changed_choices, written_choices
from studio.designer.fields import choices_of
from studio.designer.text import readable
from studio.designer.workflow import TEMPLATES, state_data, state_row
from studio.places import Place, by_place, place_of
from tests.studio.samples import MACHINE, model, sources
from xrm.errors import Issue, ModelError
from xrm.metadata import review
from xrm.metadata.grammar import schema
from xrm.metadata.model import Choice, State

# --- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("machine\nlabel", ("entity",)),
        ("name: {type", ("fields", "name")),
        ("true}\n  # as", ("fields", "name", "required")),
        ("parent: {", ("fields", "parent")),
        ('"price > 0', ("checks", 0, "when")),
        ("price], set", ("workflow", "transitions", "retire", "ask", 0)),
    ],
)
def test_a_finding_is_about_the_part_that_begins_before_it(text, path):
    before = MACHINE[: MACHINE.index(text)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert place_of(sources(), Issue(f"entities/machine.yaml:{line}:{column}", "x", "x")) == Place("machine", path)


@pytest.mark.parametrize("path", ["", "machine.price", "entities/none.yaml:1:1", "entities/machine.yaml:x:1"])
def test_a_finding_without_a_place_in_the_files_has_none(path):
    assert place_of(sources(), Issue(path, "x", "x")) is None


def test_a_fault_of_grammar_is_found_at_its_field():
    own = sources(("entities/machine.yaml", MACHINE.replace("price: {type: money}", "price: {type: money, titel: x}")))
    marks = by_place(own, review(own).issues)
    assert [i.code for i in marks[Place("machine", ("fields", "price"))]] == ["unknown_key"]


def test_every_definition_of_a_file_has_its_own_findings():
    issue = Issue("entities/roles.yaml:8:15", "x", "x")
    assert place_of(sources(), issue) == Place("guest", ("grants", 0, "entity", 0))


# --- diagrams -------------------------------------------------------------------------------------------------------


def test_the_diagram_shows_entities_and_what_joins_them():
    entities = model(sources()).entities
    text = diagrams.entities_diagram(entities, ["machine", "user"])
    assert text.splitlines() == [
        "erDiagram",
        '  machine["Machine"]',
        '  user["User"]',
        '  machine o|--o{ machine : "Parent"',
    ]


def test_neighbours_are_joined_directly():
    assert diagrams.neighbours(model(sources()).entities, "machine") == ["machine"]
    own = sources(("entities/part.yaml", "entity: part\nfields: {of: {type: relation, to: machine, required: true}}\n"))
    assert diagrams.neighbours(model(own).entities, "machine") == ["machine", "part"]


def test_no_title_breaks_out_of_a_diagram():
    own = sources(("entities/x.yaml", 'entity: x\ntitle: "A \\"quoted\\"; {thing}"\nfields: {a: text}\n'))
    assert '  x["A  quoted    thing"]' in diagrams.entities_diagram(model(own).entities, ["x"])


def test_states_are_drawn_with_their_moves():
    workflow = model(sources()).entities["machine"].workflow
    assert workflow is not None
    text = diagrams.states_diagram(workflow)
    assert "  s_new --> s_old : Retire" in text
    assert "  [*] --> s_new" in text
    assert "  s_old --> [*]" in text


# --- words ----------------------------------------------------------------------------------------------------------


def test_every_type_of_the_grammar_has_a_word():
    assert set(words.TYPES) == set(schema("entity")["$defs"]["type"]["enum"])


def test_colours_classes_and_severities_are_those_of_the_grammar():
    defs = schema("entity")["$defs"]
    assert {name for name, _ in words.COLORS if name} == set(defs["color"]["enum"])
    assert set(words.CLASSES) == set(defs["field"]["properties"]["class"]["enum"])
    assert set(words.ON_DELETE) == set(defs["field"]["properties"]["on_delete"]["enum"])
    assert set(words.SEVERITIES) == set(words.SHORT_SEVERITIES) == set(defs["check"]["properties"]["severity"]["enum"])


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
def test_every_template_of_a_workflow_is_good(template):
    text = json.dumps({"entity": "t", "fields": {"a": "text"}, "workflow": {**template}})
    assert model(sources(("entities/t.yaml", text))).entities["t"].workflow


def test_a_state_is_written_as_short_as_it_can_be():
    assert state_data(state_row(State("in_repair", "In repair"))) == {}
    state = State("won", "Sold", "won", "success", 0)
    assert state_data(state_row(state)) == {"title": "Sold", "color": "success", "final": "won", "probability": 0}


# --- choices --------------------------------------------------------------------------------------------------------


def test_choices_are_typed_one_per_line():
    assert choices_of("New\n\n In use \n???\n") == {"new": "New", "in_use": "In use", "choice_3": "???"}


def test_choices_are_written_shortest():
    plain = [{"name": "a", "title": "A"}, {"name": "no_need", "title": "No need"}]
    assert written_choices(plain) == ["a", "no_need"]
    assert written_choices([{"name": "a", "title": "First"}]) == {"a": "First"}
    coloured = [{"name": "a", "title": "A", "color": "info"}, {"name": "b", "title": "B", "color": ""}]
    assert written_choices(coloured) == [{"name": "a", "title": "A", "color": "info"}, {"name": "b", "title": "B"}]


BELOW = (Choice("price", "Price"), Choice("timing", "Timing"))


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([("price", "Price"), ("timing", "Timing"), ("quality", "Quality")], ["+quality"]),
        (
            [("price", "Price"), ("timing", "Timing"), ("quality", "Bad quality")],
            [{"name": "+quality", "title": "Bad quality"}],
        ),
        ([("price", "Price")], ["-timing"]),
        ([("timing", "Timing"), ("x", "X")], ["+x", "-price"]),
        ([("timing", "Timing"), ("price", "Price")], ["timing", "price"]),
        ([("price", "Cost"), ("timing", "Timing")], {"price": "Cost", "timing": "Timing"}),
        ([("x", "X"), ("price", "Price"), ("timing", "Timing")], ["x", "price", "timing"]),
    ],
)
def test_a_plugins_choices_are_changed_by_what_differs(values, written):
    assert changed_choices([{"name": n, "title": t} for n, t in values], BELOW) == written


# --- files as text --------------------------------------------------------------------------------------------------


def test_a_text_that_is_yaml_is_kept_and_another_is_not():
    assert readable("f.yaml", "entity: a") == "entity: a\n"
    assert readable("f.yaml", " \n") == ""
    with pytest.raises(ModelError) as caught:
        readable("entities/f.yaml", "entity: a\nfields: {a: [}\n")
    assert caught.value.issues[0].path.startswith("entities/f.yaml:2:")


# --- client ---------------------------------------------------------------------------------------------------------


def client(answer: httpx.Response, seen: list[httpx.Request]) -> Client:
    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer

    return Client(
        httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(handle)), "t0ken", "crm.example.com"
    )


def test_the_client_asks_as_the_visitor():
    seen: list[httpx.Request] = []
    assert client(httpx.Response(200, json={"name": "Ada"}), seen).me() == {"name": "Ada"}
    assert seen[0].url.path == "/api/me"
    assert seen[0].headers["authorization"] == "Bearer t0ken"
    assert seen[0].headers["host"] == "crm.example.com"
    assert seen[0].headers["x-xrm-client"] == "studio"


def test_what_is_applied_is_what_was_planned():
    seen: list[httpx.Request] = []
    client(httpx.Response(200, json={"generation": 2}), seen).apply({"entities/a.yaml": "x"}, "hash", ["step"])
    assert json.loads(seen[0].content) == {"files": {"entities/a.yaml": "x"}, "hash": "hash", "consent": ["step"]}


def test_a_problem_tells_its_findings():
    data = {
        "code": "conflict",
        "title": "No",
        "detail": "Because.",
        "issues": [{"path": "a", "code": "b", "message": "c"}],
    }
    with pytest.raises(Problem) as caught:
        client(httpx.Response(409, json=data), []).plan({})
    assert (caught.value.status, caught.value.code, caught.value.message) == (409, "conflict", "Because.")
    assert caught.value.issues == (Issue("a", "b", "c"),)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]"])
def test_an_answer_that_is_no_problem_is_one_all_the_same(content):
    with pytest.raises(Problem) as caught:
        client(httpx.Response(502, content=content), []).model()
    assert caught.value.status == 502


def test_a_site_that_does_not_answer_is_a_problem():
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    http = httpx.Client(base_url="http://127.0.0.1:1", transport=httpx.MockTransport(refuse))
    with pytest.raises(Problem, match="refused"):
        Client(http, "").me()


def test_records_are_counted_where_the_visitor_may():
    assert client(httpx.Response(200, json={"count": {"value": 12, "exact": True}}), []).count("deal") == (12, True)
    assert client(httpx.Response(404, json={}), []).count("deal") is None


# --- how far the site is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"applying": None}, (0.0, "Applying …")),
        ({"applying": {"step": 1, "steps": 4, "rows": 0, "of": 0}}, (0.0, "Applying … Step 1 of 4")),
        (
            {"applying": {"step": 2, "steps": 4, "rows": 500, "of": 1000}},
            (0.375, "Applying … Step 2 of 4: 500 of 1,000 records"),
        ),
    ],
)
def test_a_bar_tells_how_far_a_change_is(answer, shown):
    client = Client(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=answer))), "t")
    client._http.base_url = httpx.URL("http://site")
    assert show.how_far(client, "Applying …") == shown


def test_a_site_that_does_not_answer_leaves_the_bar_where_it_is():
    client = Client(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503, json={}))), "t")
    client._http.base_url = httpx.URL("http://site")
    assert show.how_far(client, "Applying …") == (0.0, "Applying …")
