"""A model read with a memory is the one read without: same entities, same findings, whatever was read before."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.models import Size, model_sources, name
from xrm.kernel.kernel import check_expression
from xrm.metadata import Review, review
from xrm.metadata.memory import Memory, Watch
from xrm.metadata.model import Source

SIZE = Size(entities=20, fields=12, roles=3)
BASE = Source(
    "people",
    "people.yaml",
    "entity: user\nfields: {name: text}\n---\nentity: unit\nfields: {name: text}\n---\n"
    "trait: dated\nfields: {signed: date}\n",
)
CHANGES = (
    ("  code: text", "  code: integer"),
    ("  code: text", "  code: text\n  fresh: text"),
    ("  code: text", "  code: {type: text, removed: true}"),
    ("  amount: {type: money}", "  amount: text"),
    ("  name: {", "  title: {"),
    ("title: Kind", "title: Other"),
    ("title: Kind", "\n\ntitle: Kind"),
    ("title: Kind", "uses: [dated]\ntitle: Kind"),
    ("title: Kind", "removed: true\ntitle: Kind"),
    ("title: Kind", "titel: Kind"),
    ("fields:", "fields: ["),
    ("amount * rate", "amount * rat"),
    ("hub.name", "hub.nome"),
)


def _changed(sources: list[Source], chance: random.Random) -> list[Source]:
    place = chance.randrange(1, len(sources) - 1)
    before, after = chance.choice(CHANGES)
    fresh = model_sources(SIZE)[place - 1]
    text = fresh.text if chance.random() < 0.5 else sources[place].text.replace(before, after, 1)
    return [*sources[:place], replace(sources[place], text=text), *sources[place + 1 :]]


def _same(one: Review, other: Review) -> None:
    assert one.issues == other.issues
    assert one.model == other.model
    for entity in one.model.entities.values():
        twin = other.model.entities[entity.name]
        assert (entity.origin, entity.origins) == (twin.origin, twin.origins)
        assert [f.origins for f in entity.fields.values()] == [f.origins for f in twin.fields.values()]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_was_read_before_the_result_is_that_of_a_first_reading(seed: int) -> None:
    chance, memory = random.Random(seed), Memory()
    sources = [BASE, *model_sources(SIZE)]
    for _ in range(20):
        _same(review(sources, check_expression, memory), review(sources, check_expression))
        sources = _changed(sources, chance)


def test_a_field_that_goes_is_missed_where_others_reach_for_it() -> None:
    memory = Memory()
    sources = [BASE, *model_sources(SIZE)]
    assert not review(sources, check_expression, memory).issues
    sources[1] = replace(sources[1], text=sources[1].text.replace("name: {", "title: {"))
    found = review(sources, check_expression, memory).issues
    files = {issue.path.split(":")[0] for issue in found if issue.code == "unknown_field"}
    assert f"entities/{name(13)}.yaml" in files, "its list shows hub.name"


def test_what_is_as_it_was_is_not_put_together_again() -> None:
    memory = Memory()
    sources = [BASE, *model_sources(SIZE)]
    first = review(sources, check_expression, memory).model
    sources[3] = replace(sources[3], text=sources[3].text.replace("title: Kind", "title: Other"))
    second = review(sources, check_expression, memory).model
    fields = {n for n, e in second.entities.items() if e.fields["name"] is first.entities[n].fields["name"]}
    assert second.entities.keys() - fields == {name(2)}


def test_a_watch_tells_what_would_be_answered_otherwise() -> None:
    sources = [BASE, *model_sources(SIZE)]
    model = review(sources).model
    watch = Watch(model)
    assert watch.model.entities.get(name(3))
    assert watch.model.entities.get("nobody") is None
    assert watch.model.inverses.get(name(3)) == model.inverses[name(3)]
    watch.done()
    assert watch.holds(model)
    without = [s for s in sources if name(3) not in s.file and "roles" not in s.file]
    assert not watch.holds(review(without).model)
    added = [*sources, Source("site", "entities/nobody.yaml", "entity: nobody\nfields: {name: text}\n")]
    assert not watch.holds(review(added).model)


def test_who_looked_at_everything_holds_for_no_other_model() -> None:
    model = review([BASE]).model
    watch = Watch(model)
    assert len(list(watch.model.entities)) == 2
    assert not watch.done().holds(model)
