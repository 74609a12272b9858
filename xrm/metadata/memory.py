"""What was made of definitions before, so that a change of one file makes only what depends on it anew.

A `Memory` belongs to whoever reads models again and again (the kernel). Nothing in it can be stale: a reading is kept
by the text of its file, a merged entity by the very nodes it was put together from, and the verdict on an entity
together with everything that was looked up on the way to it (`Watch`). A fresh `Memory` gives the same results, slowly.

Threads may share one: every entry is immutable, and is written and read as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from xrm.errors import Issue
from xrm.metadata.load import Definition, Reading, read_source
from xrm.metadata.model import Entity, Model, Source
from xrm.metadata.normal import normal

V = TypeVar("V")

_SPARE = 16  # files remembered besides those read last: drafts come and go


@dataclass(frozen=True, slots=True)
class Prepared:
    """One file, read and brought into normal form."""

    reading: Reading
    definitions: tuple[Definition, ...]
    issues: tuple[Issue, ...]  # of bringing it into normal form


class Memory:
    """What was made before. See the module."""

    def __init__(self) -> None:
        self._files: dict[Source, Prepared] = {}
        self._merged: dict[str, tuple[tuple[object, ...], Entity]] = {}
        self._good: dict[str, Watch] = {}

    def files(self, sources: Sequence[Source]) -> list[Prepared]:
        """Return the sources read and in normal form, and forget files that long are no more."""
        prepared = [self._files.get(source) or self._prepare(source) for source in sources]
        if len(self._files) > len(sources) + _SPARE:
            self._files = dict(zip(sources, prepared, strict=True))
        return prepared

    def _prepare(self, source: Source) -> Prepared:
        reading = read_source(source)
        issues: list[Issue] = []
        definitions = tuple(Definition(d.kind, d.name, normal(d.node, issues)) for d in reading.definitions)
        found = self._files[source] = Prepared(reading, definitions, tuple(issues))
        return found

    def merged(self, name: str, parts: tuple[object, ...]) -> Entity | None:
        """Return the entity that was put together from these very parts, or None."""
        known = self._merged.get(name)
        if known is None or len(known[0]) != len(parts):
            return None
        return known[1] if all(a is b for a, b in zip(known[0], parts, strict=True)) else None

    def keep(self, name: str, parts: tuple[object, ...], entity: Entity) -> None:
        """Remember what `parts` became; only for what gave no findings."""
        self._merged[name] = (parts, entity)

    def good(self, name: str, model: Model) -> bool:
        """Return whether nothing was wrong with an entity, and all that was looked at for it is as it was."""
        known = self._good.get(name)
        return known is not None and known.holds(model)

    def approve(self, name: str, watch: Watch) -> None:
        """Remember that nothing is wrong with an entity."""
        self._good[name] = watch


class Watch:
    """Notes what is looked up in a model, to tell later whether another model would have answered the same.

    Attributes:
        model: The model to work with: it answers as the given one does.
    """

    def __init__(self, model: Model) -> None:
        self._seen: dict[tuple[str, str], Any] = {}
        self._entities, self._inverses = _Noting(model.entities), _Noting(model.inverses)
        self.model = replace(model, entities=self._entities)
        vars(self.model)["inverses"] = self._inverses  # else it would be made anew for each watch

    def done(self) -> Watch:
        """Let go of the model and keep only what was seen; return itself."""
        self._seen = {("entity", n): e for n, e in self._entities.seen.items()}
        self._seen |= {("inverses", n): e for n, e in self._inverses.seen.items()}
        if self._entities.everything or self._inverses.everything:
            self._seen["everything", ""] = True
        self._entities.leave()
        self._inverses.leave()
        del self.model
        return self

    def holds(self, model: Model) -> bool:
        """Return whether all lookups would give equal answers in `model`; places in files do not count."""
        now = {key: _look(model, *key) for key in self._seen}
        if now != self._seen:
            return False
        self._seen = now  # equal, and let go of older generations
        return True


def _look(model: Model, kind: str, name: str) -> Any:
    if kind == "everything":
        return False  # nobody knows what mattered
    return model.entities.get(name) if kind == "entity" else model.inverses.get(name)


class _Noting(Mapping[str, V], Generic[V]):
    """A mapping that notes what is asked of it."""

    def __init__(self, values: Mapping[str, V]) -> None:
        self._values = values
        self.seen: dict[str, V | None] = {}
        self.everything = False

    def __getitem__(self, name: str) -> V:
        self.seen[name] = self._values.get(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.everything = True
        return iter(self._values)

    def __len__(self) -> int:
        self.everything = True
        return len(self._values)

    def leave(self) -> None:
        """Forget the values: whoever still holds this would keep a whole model."""
        self._values, self.seen = {}, {}
