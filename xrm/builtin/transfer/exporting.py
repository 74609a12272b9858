"""Records → a file, page by page, with the rights of an export: CSV for spreadsheets, JSON lines for programs.

A CSV export can be imported again: money has a column for its currency, a relation one for the id and one for the
label, lists are joined by semicolons. Texts that a spreadsheet would take for a formula get a quotation mark in front,
which `reading.plain` takes away.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xrm.builtin.transfer.reading import guarded
from xrm.errors import Forbidden, Invalid, Issue, NotFound
from xrm.kernel.paths import resolve
from xrm.kernel.policy import Access, label_fields, visibility
from xrm.kernel.query import HIDDEN, MAX_PAGE, Query
from xrm.kernel.values import TYPES, columns, keys
from xrm.metadata.model import Entity, Field

if TYPE_CHECKING:
    from xrm.kernel.change import Actor
    from xrm.kernel.kernel import Kernel

Cells = Callable[[Any], tuple[str, ...]]


async def export_csv(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[str]:
    """Yield the records a query finds as pieces of a CSV text, the header first.

    Raises:
        NotFound: there is no such entity for the actor.
        Forbidden: the actor may not export records of it.
        Invalid, Malformed: the query is wrong.
    """
    query = _permitted(kernel, actor, entity, query)
    columns = tuple(_columns(kernel, entity, query.fields))
    header = True
    async for records in _pages(kernel, actor, entity, query):
        if header:  # only now: a filter that is wrong leaves nothing behind
            yield _line(name for _, names, _ in columns for name in names)
            header = False
        if records:
            yield "".join(_line(c for n, _, cells in columns for c in cells(record.get(n))) for record in records)


async def export_json_lines(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[str]:
    """Yield the records a query finds as JSON, one a line, as the API shows them. Raises as `export_csv`."""
    query = _permitted(kernel, actor, entity, query)
    async for records in _pages(kernel, actor, entity, query):
        yield "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)


def _permitted(kernel: Kernel, actor: Actor, entity: str, query: Query) -> Query:
    reading = kernel.live.policy.access(actor, entity, "read")
    if reading is None:
        raise NotFound(f"There is no entity {entity!r}.")
    exporting = kernel.live.policy.access(actor, entity, "export")
    if exporting is None:
        raise Forbidden("You may not export records of this entity.")
    shown = tuple(n for n in _named(reading.entity) if _shown(reading, exporting, n))
    if unknown := [name for name in query.fields if name.partition(".")[0] not in shown]:
        raise Invalid(issues=[Issue("fields", "unknown_field", f"There is no field {name!r}.") for name in unknown])
    return replace(query, fields=query.fields or shown, limit=MAX_PAGE, after="", offset=0, action="export")


def _named(entity: Entity) -> Iterator[str]:
    """Yield the fields an export shows when none are named, the id first."""
    yield from ("id", "version")
    yield from (name for name in entity.fields if name not in HIDDEN and name not in ("id", "version"))


def _shown(reading: Access, exporting: Access, name: str) -> bool:
    """Whether the actor may both read and export a field, and its type is one that leaves the site."""
    field = reading.entity.fields.get(name)
    leaves = field is None or TYPES[field.type].exported
    return leaves and visibility(reading, name) is not None and _given(exporting, name)


def _given(exporting: Access, name: str) -> bool:
    """Whether every rule of the export gives a field; one that only some give is left out of a file."""
    parts = label_fields(exporting.entity) if name == "label" else (name,)
    return all(rule.read.issuperset(parts) for rule in exporting.rules)


async def _pages(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    while True:
        page = await kernel.records.list(actor, entity, query)
        yield page.records
        if page.next is None:
            return
        query = replace(query, after=page.next)


# --- CSV ---------------------------------------------------------------------------------------------------------


def _columns(kernel: Kernel, entity: str, fields: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...], Cells]]:
    """Yield for each value of a record its name, the names of its columns and what makes its cells."""
    for path in fields:
        found = resolve(kernel.model, kernel.model.entities[entity], tuple(path.split(".")))
        if found is not None and found.part:
            yield path, (path,), _text if found.kind.name == "text" else _plain
        elif found is not None:
            yield path, *_shape(path, found.field)


def _shape(name: str, field: Field) -> tuple[tuple[str, ...], Cells]:
    if field.type == "relation":
        names = (name, f"{name}.label", f"{name}.entity") if field.polymorphic else (name, f"{name}.label")
        return names, _pointer if field.polymorphic else _relation
    if field.through is not None:
        return (name, f"{name}.label"), _links
    if compound := keys(field):
        return (name, *(f"{name}_{part}" for part in compound[1:])), _compound(field)
    if field.type in ("choices", "tags"):
        return (name,), _list
    if field.type == "json":
        return (name,), _json
    return (name,), _text if TYPES[field.type].expression == "text" else _plain


def _text(value: Any) -> tuple[str, ...]:
    return (guarded(str(value)) if value is not None else "",)


def _plain(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    return ("" if value is None else str(value),)


def _compound(field: Field) -> Cells:
    makers = tuple(_text if spec.type.name == "text" else _plain for spec in columns(field))
    names = keys(field)

    def cells(value: Any) -> tuple[str, ...]:
        parts = (value.get(name) if value else None for name in names)
        return tuple(cell for make, part in zip(makers, parts, strict=True) for cell in make(part))

    return cells


def _relation(value: Any) -> tuple[str, ...]:
    return (value.get("id", ""), guarded(value.get("label") or "")) if value else ("", "")


def _pointer(value: Any) -> tuple[str, ...]:
    return (*_relation(value), value.get("entity", "") if value else "")


def _list(value: Any) -> tuple[str, ...]:
    return (guarded("; ".join(value)) if value else "",)


def _links(value: Any) -> tuple[str, ...]:
    ids, labels = ("; ".join(str(one[part] or "") for one in value or ()) for part in ("id", "label"))
    return ids, guarded(labels)


def _json(value: Any) -> tuple[str, ...]:
    return ("" if value is None else json.dumps(value, ensure_ascii=False, default=str),)


def _line(cells: Iterator[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
