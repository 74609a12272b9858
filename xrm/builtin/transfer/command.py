"""``xrm import`` and ``xrm export``: files on the command line in, out, and what became of every row."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from xrm.builtin.transfer.exporting import export
from xrm.builtin.transfer.importing import Import, Report, ignore
from xrm.builtin.transfer.layout import WRITTEN, Layout, detect
from xrm.builtin.transfer.mapping import ImportMapping, check_mapping, load_mapping
from xrm.builtin.transfer.problems import ProblemFile
from xrm.builtin.transfer.reading import Table, open_table
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Invalid, Issue, NotFound, XrmError
from xrm.kernel.query import Query
from xrm.metadata.names import did_you_mean

if TYPE_CHECKING:
    from xrm.kernel.change import Actor
    from xrm.kernel.hooks import Importer, ImportReport
    from xrm.kernel.kernel import Kernel

SHOWN = 20  # refused rows printed


async def import_file(kernel: Kernel, actor: Actor, args: Namespace) -> int:
    """Import a file and print what became of it. Exit code 1 when a row was refused.

    Args:
        kernel: The site.
        actor: Whose rights count.
        args: ``entity`` (or a plugin's importer), ``file``, ``mapping``, ``key``, ``dry_run``, ``errors``, ``json``.

    Raises:
        XrmError: nothing was imported: no such file or entity, a mapping that does not fit, a right that is missing.
    """
    importer = next((i for i in kernel.plugins.collect("importers") if i.name == args.entity), None)
    if importer is not None:
        return _print_foreign(await _foreign(kernel, actor, importer, args.file), args)
    with ExitStack() as open_files:
        stream = open_files.enter_context(_opened(args.file))
        table, mapping = _prepared(kernel, args, stream)
        problems = ProblemFile(open_files.enter_context(_created(args.errors)), table) if args.errors else None
        work = Import(kernel, actor, mapping, problems.add if problems else ignore)
        report = await (work.rehearse(table) if args.dry_run else work.run(table))
    _print(report, table, mapping, args)
    return 1 if report.refused else 0


async def export_file(kernel: Kernel, actor: Actor, args: Namespace) -> int:
    """Export records to a file or to standard output.

    Args:
        kernel: The site.
        actor: Whose rights count.
        args: ``entity``, ``file`` or None, ``format`` (of WRITTEN, json for jsonl, None = by the file's name),
            ``filter``, ``fields``.

    Raises:
        XrmError: no such entity, a wrong filter, a right that is missing.
    """
    fields = tuple(name.strip() for name in args.fields.split(",") if name.strip())
    query = Query(filter=args.filter, fields=fields)
    await _write(export(kernel, actor, args.entity, query, _format(args.format, args.file)), args.file)
    return 0


def _format(said: str | None, file: Path | None) -> str:
    ending = file.suffix[1:].lower() if file else ""
    name = said or (ending if ending in (*WRITTEN, "json") else "csv")
    return "jsonl" if name == "json" else name


async def _write(pieces: AsyncIterator[bytes], path: Path | None) -> None:
    first = await anext(pieces, b"")  # so that a refused export leaves no empty file
    with ExitStack() as open_files:
        out = open_files.enter_context(_made(path)) if path else sys.stdout.buffer
        out.write(first)
        async for piece in pieces:
            out.write(piece)


def _made(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise XrmError(f"{path} cannot be written: {error.strerror}.") from None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise XrmError(f"{path} cannot be read: {error.strerror}.") from None


def _text_of(path: Path) -> str:
    with _opened(path) as file:
        try:
            return file.read().decode("utf-8")
        except UnicodeDecodeError:
            raise XrmError(f"{path} is not UTF-8 text.") from None


def _created(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise XrmError(f"{path} cannot be written: {error.strerror}.") from None


def _prepared(kernel: Kernel, args: Namespace, stream: BinaryIO) -> tuple[Table, ImportMapping]:
    """Return the open file and the mapping that fits it."""
    entity = kernel.model.entity(args.entity)
    if entity is None:
        hint = did_you_mean(args.entity, kernel.model.entities)
        raise NotFound(f"There is no entity {args.entity!r}.", [Issue("entity", "unknown_entity", args.entity, hint)])
    if args.mapping is None:
        table = open_table(stream, args.file.name)
        mapping = suggest(entity, table.header, args.key or "")
    else:
        mapping = load_mapping(_text_of(args.mapping), str(args.mapping))
        table = open_table(stream, args.file.name, _layout(mapping, stream, args.file.name))
    if mapping.entity != args.entity:
        raise Invalid(f"This mapping is about {mapping.entity}, not {args.entity}.")
    if args.key and args.mapping:
        mapping = replace(mapping, key=(args.key,))
    if errors := [i for i in check_mapping(mapping, kernel.model, table.header) if i.severity == "error"]:
        raise Invalid("The mapping does not fit the file", errors)
    return table, mapping


def _layout(mapping: ImportMapping, stream: BinaryIO, name: str) -> Layout:
    """Return what is found out about the file, with what the mapping says put over it."""
    said = {n: getattr(mapping, n) for n in ("format", "encoding", "delimiter") if getattr(mapping, n)}
    return replace(detect(stream, name), **said)


def _print(report: Report, table: Table, mapping: ImportMapping, args: Namespace) -> None:
    if args.json:
        told = {"dry_run": args.dry_run, "run": report.run or None, "encoding": table.layout.encoding}
        _emit({**report.to_dict(), **told})
        return
    verb = "would be " if args.dry_run else ""
    _say(f"{args.file}: {table.layout.format}, {table.layout.encoding}; key: {', '.join(mapping.key) or 'none'}")
    _say(
        f"{report.read} rows read: {report.created} {verb}created, {report.updated} {verb}updated, "
        f"{report.unchanged} unchanged, {report.refused} refused"
    )
    if args.mapping is None and mapping.ignore:
        _say(f"Columns left out: {', '.join(mapping.ignore)}")
    if report.run:
        _say(f"  take it back with `xrm undo {report.run}`")
    for verdict in report.problems[:SHOWN]:
        _say(f"  row {verdict.row.number} (line {verdict.row.line}): {verdict.problem}")
    if report.refused > SHOWN:
        _say(f"  … and {report.refused - SHOWN} more; --errors FILE keeps them all")


# --- importers of plugins ----------------------------------------------------------------------------------------


async def _foreign(kernel: Kernel, actor: Actor, importer: Importer, path: Path) -> ImportReport:
    with _opened(path) as file:
        content = file.read()
    return await importer.run(kernel.records.context(replace(actor, source="import")), content)


def _print_foreign(report: ImportReport, args: Namespace) -> int:
    refused = len(report.refused)
    if args.json:
        counts = {name: getattr(report, name) for name in ("read", "created", "updated", "unchanged")}
        problems = [{"row": number, "reason": reason} for number, reason in report.refused]
        _emit({**counts, "refused": refused, "problems": problems})
    else:
        _say(
            f"{report.read} rows read: {report.created} created, {report.updated} updated, "
            f"{report.unchanged} unchanged, {refused} refused"
        )
        for number, reason in report.refused[:SHOWN]:
            _say(f"  row {number}: {reason}")
    return 1 if refused else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _emit(data: Any) -> None:
    _say(json.dumps(data, indent=2, ensure_ascii=False, default=str))
