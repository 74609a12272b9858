"""A draft survives, takes edits back, and notices what others wrote."""

from __future__ import annotations

from uuid import UUID

import pytest

from studio.draft import MAX_PAST, Change, Draft, draft_file, load, save
from tests.studio.samples import MACHINE, sources

FILE = "entities/machine.yaml"
USER = UUID("019aa000-0000-7000-8000-000000000001")


def test_an_edit_remembers_what_was_there():
    draft = Draft().edited({FILE: "a", "entities/new.yaml": "b"}, sources())
    assert draft.files == {FILE: Change("a", MACHINE), "entities/new.yaml": Change("b", "")}
    assert draft.edited({FILE: "c"}, sources()).files[FILE] == Change("c", MACHINE)
    assert draft.texts == {FILE: "a", "entities/new.yaml": "b"}


def test_a_file_that_is_as_before_is_no_change():
    draft = Draft().edited({FILE: "a"}, sources()).edited({FILE: MACHINE}, sources())
    assert not draft
    assert len(draft.past) == 2


def test_an_edit_that_changes_nothing_leaves_no_trace():
    assert Draft().edited({FILE: MACHINE}, sources()) == Draft()


def test_edits_are_taken_back_one_by_one():
    first = Draft().edited({FILE: "a"}, sources())
    second = first.edited({FILE: "b"}, sources())
    assert second.undone() == first
    assert second.undone().undone() == Draft()
    assert Draft().undone() == Draft()


def test_the_past_is_bounded():
    draft = Draft()
    for number in range(MAX_PAST + 5):
        draft = draft.edited({FILE: str(number)}, sources())
    assert len(draft.past) == MAX_PAST


def test_it_lies_over_the_files_on_disk():
    draft = Draft().edited({FILE: "entity: machine\nfields: {}\n", "entities/roles.yaml": ""}, sources())
    found = {source.file: source.text for source in draft.over(sources())}
    assert found[FILE] == "entity: machine\nfields: {}\n"
    assert "entities/roles.yaml" not in found
    assert [s.layer for s in draft.over(sources())] == ["people", "crm_sales", "site"]


def test_it_notices_what_others_wrote_meanwhile():
    draft = Draft().edited({FILE: "mine", "entities/new.yaml": "new"}, sources())
    assert draft.moved(sources()) == ()
    others = sources((FILE, "theirs"))
    assert draft.moved(others) == (FILE,)
    assert draft.moved(sources(("entities/new.yaml", "theirs too"))) == ("entities/new.yaml",)
    again = draft.based_on(others)
    assert again.moved(others) == ()
    assert again.texts == draft.texts


def test_what_others_did_as_well_is_no_change_any_more():
    draft = Draft().edited({FILE: "the same"}, sources())
    assert not draft.based_on(sources((FILE, "the same")))


def test_it_is_kept_in_a_file(tmp_path):
    path = draft_file(tmp_path, USER)
    draft = Draft().edited({FILE: "ä: ö\n"}, sources()).edited({FILE: "b"}, sources())
    save(path, draft)
    assert load(path) == draft
    assert path == tmp_path / "var" / "studio" / f"{USER}.json"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    save(path, Draft())
    assert not path.exists()
    assert load(path) == Draft()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"files": 1, "past": []}', '{"files": {"a": 1}, "past": []}', "\x00"]
)
def test_a_file_that_cannot_be_read_is_an_empty_draft(tmp_path, text):
    path = tmp_path / "draft.json"
    path.write_text(text)
    assert load(path) == Draft()
