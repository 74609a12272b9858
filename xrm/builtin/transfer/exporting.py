"""Records → a file, page by page, with the rights of an export.

    FORMATS             csv, jsonl, xlsx, parquet, vcf, ics
    export(…)           the records a query finds, as pieces of a file in one of them

A table can be imported again. Texts that a spreadsheet would take for a formula get a quotation mark in front in CSV,
which `formulas.plain` takes away; in a workbook they are cells of text.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from xrm.builtin.transfer.flat import Column, table_columns
from xrm.builtin.transfer.formulas import guarded
from xrm.errors import Forbidden, Invalid, Issue, Malformed, NotFound
from xrm.kernel.paths import resolve
from xrm.kernel.policy import Access, label_fields, visibility
from xrm.kernel.query import HIDDEN, MAX_PAGE, Query
from xrm.kernel.values import TYPES
from xrm.metadata.model import Entity

if TYPE_CHECKING:
    from xrm.kernel.change import Actor
    from xrm.kernel.kernel import Kernel
    from xrm.kernel.live import Live

PIECE = 256 * 1024  # bytes of a finished file sent at once

Records = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format of export.

    Attributes:
        media: Its media type (RFC 6838).
        ending: Of its files.
        title: What people call it.
        make: The pages of an export → the pieces of the file.
    """

    media: str
    ending: str
    title: str
    make: Callable[[Export], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Export:
    """A permitted query, and who asks it."""

    kernel: Kernel
    actor: Actor
    entity: Entity
    query: Query

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of a table of these records."""
        return table_columns(self.kernel.model, self.entity, self.query.fields)

    async def pages(self) -> AsyncIterator[Records]:
        """Yield the records, up to MAX_PAGE at a time; at least one page, which may be empty."""
        query = self.query
        while True:
            page = await self.kernel.records.list(self.actor, self.entity.name, query)
            yield page.records
            if page.next is None:
                return
            query = replace(query, after=page.next)


class TableFile(Protocol):
    """A file of rows that can be sent only when it is whole."""

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows after those that are there."""

    def close(self) -> None:
        """Finish the file."""


async def export(kernel: Kernel, actor: Actor, entity: str, query: Query, format: str) -> AsyncIterator[bytes]:
    """Yield the records a query finds as pieces of a file.

    Args:
        kernel: The site.
        actor: Whose rights count.
        entity: Whose records.
        query: Which of them and which fields; no fields = all that may be exported.
        format: One of FORMATS.

    Raises:
        NotFound: there is no such entity for the actor.
        Forbidden: the actor may not export records of it.
        Invalid, Malformed: the query is wrong, the entity has no date for a calendar, or there is no such format.
    """
    if format not in FORMATS:
        raise Malformed(issues=[Issue("format", "unknown_value", f"It is one of {', '.join(FORMATS)}.")])
    asked = _permitted(kernel, actor, entity, query)
    async with aclosing(FORMATS[format].make(asked)) as pieces:  # type: ignore[type-var]  # all are generators
        async for piece in pieces:
            yield piece


async def export_csv(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[str]:
    """Yield the records a query finds as pieces of a CSV text, the header first. Raises as `export`."""
    async for piece in export(kernel, actor, entity, query, "csv"):
        yield piece.decode()


async def export_json_lines(kernel: Kernel, actor: Actor, entity: str, query: Query) -> AsyncIterator[str]:
    """Yield the records a query finds as JSON, one a line, as the API shows them. Raises as `export`."""
    async for piece in export(kernel, actor, entity, query, "jsonl"):
        yield piece.decode()


def _permitted(kernel: Kernel, actor: Actor, entity: str, query: Query) -> Export:
    reading = kernel.live.policy.access(actor, entity, "read")
    if reading is None:
        raise NotFound(f"There is no entity {entity!r}.")
    exporting = kernel.live.policy.access(actor, entity, "export")
    if exporting is None:
        raise Forbidden("You may not export records of this entity.")
    shown = tuple(n for n in _named(reading.entity) if _shown(reading, exporting, n))
    if unknown := [name for name in query.fields if not _leaves(kernel.live, actor, reading.entity, shown, name)]:
        raise Invalid(issues=[Issue("fields", "unknown_field", f"There is no field {name!r}.") for name in unknown])
    asked = replace(query, fields=query.fields or shown, limit=MAX_PAGE, after="", offset=0, action="export")
    return Export(kernel, actor, reading.entity, asked)


def _named(entity: Entity) -> Iterator[str]:
    """Yield the fields an export shows when none are named, the id first."""
    yield from ("id", "version")
    yield from (name for name in entity.fields if name not in HIDDEN and name not in ("id", "version"))


def _leaves(live: Live, actor: Actor, entity: Entity, shown: Collection[str], name: str) -> bool:
    """Whether a named field may leave the site; one of another record asks for the export of that one as well."""
    path = resolve(live.model, entity, tuple(name.split(".")))
    if name.partition(".")[0] not in shown:
        return False
    if path is None or not path.hops:
        return True
    names = (*(relation.name for relation, _ in path.hops[1:]), path.field.name)
    return all(_exported(live, actor, target, name) for (_, target), name in zip(path.hops, names, strict=True))


def _exported(live: Live, actor: Actor, entity: Entity, name: str) -> bool:
    reading, exporting = (live.policy.access(actor, entity.name, action) for action in ("read", "export"))
    return reading is not None and exporting is not None and _shown(reading, exporting, name)


def _shown(reading: Access, exporting: Access, name: str) -> bool:
    """Whether the actor may both read and export a field, and its type is one that leaves the site."""
    field = reading.entity.fields.get(name)
    leaves = field is None or TYPES[field.type].exported
    return leaves and visibility(reading, name) is not None and _given(exporting, name)


def _given(exporting: Access, name: str) -> bool:
    """Whether every rule of the export gives a field; one that only some give is left out of a file."""
    parts = label_fields(exporting.entity) if name == "label" else (name,)
    return all(rule.read.issuperset(parts) for rule in exporting.rules)


# --- the formats -------------------------------------------------------------------------------------------------


async def _csv(asked: Export) -> AsyncIterator[bytes]:
    columns = asked.columns()
    header = True
    async for records in asked.pages():
        if header:  # only now: a filter that is wrong leaves nothing behind
            yield _line(column.name for column in columns)
            header = False
        if records:
            yield b"".join(_line(_csv_cell(c, record) for c in columns) for record in records)


def _csv_cell(column: Column, record: Mapping[str, Any]) -> str:
    value = column.cell(record.get(column.path))
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(str(value)) if column.kind == "text" else str(value)


def _line(cells: Iterable[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()


async def _json_lines(asked: Export) -> AsyncIterator[bytes]:
    async for records in asked.pages():
        yield "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records).encode()


async def _cards(asked: Export) -> AsyncIterator[bytes]:
    from xrm.builtin.transfer.cards import Cards

    cards = Cards(asked.entity, asked.query.fields)
    async for records in asked.pages():
        yield b"".join(cards.card(record) for record in records)


async def _calendar(asked: Export) -> AsyncIterator[bytes]:
    from xrm.builtin.transfer.calendars import Calendar

    calendar = Calendar(asked.entity, asked.query.fields)
    header = True
    async for records in asked.pages():
        yield (calendar.begin if header else b"") + b"".join(calendar.event(record) for record in records)
        header = False
    yield calendar.end


async def _workbook(asked: Export) -> AsyncIterator[bytes]:
    from xrm.builtin.transfer.workbook import WorkbookFile

    async for piece in _file(asked, WorkbookFile):
        yield piece


async def _parquet(asked: Export) -> AsyncIterator[bytes]:
    from xrm.builtin.transfer.parquet import ParquetFile

    async for piece in _file(asked, ParquetFile):
        yield piece


async def _file(asked: Export, kind: Callable[[Path, Entity, Sequence[Column]], TableFile]) -> AsyncIterator[bytes]:
    """Write a file that has to be whole before its first byte can be sent, away from the event loop."""
    columns = asked.columns()
    with tempfile.TemporaryDirectory(prefix="xrm-export-") as folder:
        path = Path(folder) / "export"
        out = kind(path, asked.entity, columns)
        try:
            async for records in asked.pages():
                await asyncio.to_thread(out.add, _rows(columns, records))
        finally:
            await asyncio.to_thread(out.close)
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece


def _rows(columns: Sequence[Column], records: Records) -> list[list[Any]]:
    return [[column.cell(record.get(column.path)) for column in columns] for record in records]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "csv": Format("text/csv; charset=utf-8", "csv", "CSV", _csv),
        "xlsx": Format(
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", "Excel workbook", _workbook
        ),
        "jsonl": Format("application/x-ndjson", "jsonl", "JSON lines", _json_lines),
        "parquet": Format("application/vnd.apache.parquet", "parquet", "Parquet", _parquet),
        "vcf": Format("text/vcard; charset=utf-8", "vcf", "vCard", _cards),
        "ics": Format("text/calendar; charset=utf-8", "ics", "Calendar", _calendar),
    }
)
