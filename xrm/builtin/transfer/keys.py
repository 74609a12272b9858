"""Which records of a chunk are here already: one query per bundle of keys, not one per row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.builtin.transfer.mapping import ImportMapping
from xrm.kernel.query import MAX_PAGE, Query
from xrm.kernel.values import Refused, parse, to_json
from xrm.metadata.model import Field

if TYPE_CHECKING:
    from xrm.kernel.change import Actor
    from xrm.kernel.kernel import Kernel

MAX_FILTER = 3_500  # characters; an expression may have 4,000

Key = tuple[Any, ...]
Found = dict[Key, tuple[tuple[UUID, int], ...]]
"""Key → id and version of the records that have it."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One field of the key; `target` and `by` say how a relation is looked up that the file gives by another key."""

    name: str
    field: Field
    target: str = ""
    by: Field | None = None


class Keys:
    """Finds records by the key of a mapping."""

    def __init__(self, kernel: Kernel, actor: Actor, mapping: ImportMapping) -> None:
        self._kernel, self._actor, self._entity = kernel, actor, mapping.entity
        self._parts = tuple(_part(kernel, mapping, name) for name in mapping.key)

    def of(self, values: dict[str, Any]) -> Key:
        """Return the key of a row's values as the file has it, in a form in which equal keys are equal."""
        return tuple(self._comparable(part.by or part.field, _inner(values[part.name])) for part in self._parts)

    async def find(self, keys: Sequence[Key]) -> Found:
        """Return the records that have one of the keys."""
        known = [await self._targets(part, {key[n] for key in keys}) for n, part in enumerate(self._parts)]
        stored: dict[Key, Key] = {}
        for key in keys:
            ids = tuple(value if ids is None else ids.get(value) for value, ids in zip(key, known, strict=True))
            if None not in ids:
                stored[ids] = key
        found: Found = {}
        paths = tuple(dict.fromkeys(("id", "version", *(part.name for part in self._parts))))
        async for record in self._list(self._entity, self._conditions(stored), paths):
            ids = tuple(self._comparable(part.field, _inner(record[part.name])) for part in self._parts)
            if ids in stored:
                found[stored[ids]] = (*found.get(stored[ids], ()), (UUID(record["id"]), record["version"]))
        return found

    async def _targets(self, part: _Part, values: Iterable[Any]) -> Mapping[Any, str] | None:
        """Return value → id of the records a relation points to; None where the file's value is the stored one."""
        if part.by is None:
            return None
        by = part.by
        conditions = _bundles([literal(v) for v in sorted(values, key=str)], lambda bundle: _any_of(by.name, bundle))
        found = self._list(part.target, conditions, ("id", by.name))
        return {self._comparable(by, record[by.name]): record["id"] async for record in found}

    async def _list(
        self, entity: str, conditions: Iterable[str], paths: tuple[str, ...]
    ) -> AsyncIterator[dict[str, Any]]:
        for condition in conditions:
            after: str | None = ""
            while after is not None:
                query = Query(filter=condition, fields=paths, limit=MAX_PAGE, after=after)
                page = await self._kernel.records.list(self._actor, entity, query)
                for record in page.records:
                    yield record
                after = page.next

    def _conditions(self, keys: Iterable[Key]) -> Iterable[str]:
        if len(self._parts) == 1:
            name = self._parts[0].name
            return _bundles([literal(key[0]) for key in keys], lambda bundle: _any_of(name, bundle))
        return _bundles([self._all_of(key) for key in keys], " || ".join)

    def _all_of(self, key: Key) -> str:
        terms = (f"{part.name} == {literal(value)}" for part, value in zip(self._parts, key, strict=True))
        return f"({' && '.join(terms)})"

    def _comparable(self, field: Field, value: Any) -> Any:
        try:
            return to_json(parse(field, value, self._kernel.parsing))
        except Refused:
            return value


def _part(kernel: Kernel, mapping: ImportMapping, name: str) -> _Part:
    model = kernel.model
    field = model.entities[mapping.entity].fields[name]
    rule = next(rule for rule in mapping.rules if rule.field == name)
    if field.type != "relation" or not rule.by or rule.by == "id":
        return _Part(name, field)
    target = rule.entity or field.to[0]
    return _Part(name, field, target, model.entities[target].fields[rule.by])


def _any_of(name: str, literals: Iterable[str]) -> str:
    return f"{name} in [{', '.join(literals)}]"


def _bundles(parts: Sequence[str], joined: Callable[[list[str]], str]) -> Iterator[str]:
    """Yield filters made of parts, each short enough for an expression."""
    bundle: list[str] = []
    length = 0
    for part in parts:
        if bundle and length + len(part) > MAX_FILTER:
            yield joined(bundle)
            bundle, length = [], 0
        bundle.append(part)
        length += len(part) + 4
    if bundle:
        yield joined(bundle)


def _inner(value: Any) -> Any:
    """Return the key inside ``{"email": "ann@example.com"}`` or ``{"id": …, "label": …}``, or the value itself."""
    return next((v for k, v in value.items() if k != "entity"), None) if isinstance(value, dict) else value


def literal(value: Any) -> str:
    """Return a JSON value as the expression language writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{text}'"
