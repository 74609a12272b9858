"""Whatever happens to a file, what is raised is a ModelError: half-written, cut off, mixed up, or hostile."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.metadata.sites import PEOPLE, source
from tests.metadata.test_expressions import ALL
from tests.metadata.test_write import DEAL
from xrm.errors import ModelError
from xrm.metadata import build, review
from xrm.metadata.write import format_text

EXTENSION = """\
extends: party
uses: [owned]
fields:
  credit: {type: money, min: 0, default: 10}
  kind: {choices: [+reseller, -person]}
  region: {type: relation, to: [unit, user], on_delete: clear}
views: {list: {columns: [+credit, -email], sort: [-credit]}, form: {sections: [{title: A, fields: [name]}]}}
"""
FILES = [ALL, EXTENSION, DEAL, PEOPLE]
PIECES = st.sampled_from([
    "", " ", "\n", "  ", "{", "}", "[", "]", ":", ": ", "- ", ",", "'", '"', "|", ">", "#", "&a ", "*a", "!t ",
    "---\n", "\t", "\0", "null", "true", "-1", "1e9", "entity", "extends: party\n", "fields", "type", "removed: true",
    "{}", "[]", "\u2028", "💡", "?", "\r",
    "to: '*'", "workflow:", "choices: {a: }", "+x", "\ufeff", "x" * 300, "[" * 60, "user", "id", "1.5", "\ud800",
])  # fmt: skip


def judged(text: str) -> None:
    """Build a site of which one file is `text`; anything but a model or a ModelError is a defect."""
    started = time.process_time()
    sources = [
        source(PEOPLE, "people"),
        source("entity: lead\nfields: {r: {type: relation, to: deal}}\n", "crm"),
        source(text),
    ]
    result = review(sources)
    if result.valid:
        assert build(sources).entities == result.model.entities
    else:
        with pytest.raises(ModelError) as raised:
            build(sources)
        assert raised.value.issues == result.issues
        assert all(issue.path and issue.code and issue.message for issue in result.issues)
    with contextlib.suppress(ModelError):
        format_text(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("text", FILES, ids=["all", "extension", "deal", "people"])
def test_a_file_cut_off_anywhere(text: str) -> None:
    for end in range(0, len(text), 7):
        judged(text[:end])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_file_mixed_up_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(FILES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(PIECES) + text[end:]
    judged(text)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_lines_in_another_order(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(FILES)).splitlines(keepends=True)
    judged("".join(data.draw(st.lists(st.sampled_from(lines), max_size=20))))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_at_all(text: str) -> None:
    judged(text)
