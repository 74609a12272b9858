"""``xrm privacy``: what is kept of people, reports for them, erasure and retention."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from xrm.builtin.privacy.erasure import erase_person, preview
from xrm.builtin.privacy.processing import Activity, missing, processing
from xrm.builtin.privacy.report import report
from xrm.builtin.privacy.retention import due, replay, retain
from xrm.errors import XrmError
from xrm.kernel.change import SYSTEM
from xrm.kernel.hooks import Command
from xrm.kernel.kernel import Kernel


def _arguments(parser: ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True)
    shown = parts.add_parser("processing", help="show the record of processing activities (Art. 30 GDPR)")
    shown.add_argument("--json", action="store_true", help="print JSON")
    made = parts.add_parser("report", help="write everything that is kept of a person into a ZIP file")
    made.add_argument("what", metavar="ENTITY/ID")
    made.add_argument("file", help="the ZIP file to write")
    gone = parts.add_parser("erase", help="show what erasing a person would do; --apply does it")
    gone.add_argument("what", metavar="ENTITY/ID")
    gone.add_argument("--apply", action="store_true", help="do it, and print the certificate")
    gone.add_argument("--reason", default="", help="why, for the ledger")
    over = parts.add_parser("retention", help="show the records whose time is over; --apply erases or deletes them")
    over.add_argument("--apply", action="store_true", help="do it")
    again = parts.add_parser("replay", help="erase again what a ledger names, after a backup was restored")
    again.add_argument("ledger", help="an export of the entity erasure, as JSON lines")


async def _run(site: Any, args: Namespace) -> int:
    return await _PARTS[args.part](site.kernel, args)


async def _processing(kernel: Kernel, args: Namespace) -> int:
    found = processing(kernel)
    told = json.dumps([one.to_dict() for one in found], indent=2, ensure_ascii=False) if args.json else _table(found)
    sys.stdout.write(f"{told}\n")
    for lack in missing(found):
        sys.stderr.write(f"{lack}\n")
    return 0


def _table(found: list[Activity]) -> str:
    head = "| what | people | data | purpose | legal basis | kept | who reads it |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(_row(one) for one in found)])


def _row(one: Activity) -> str:
    data = ", ".join(f"{name} ({kind})" for name, kind in one.data)
    cells = (
        one.title,
        one.subjects or "belongs to them",
        data,
        one.purpose,
        one.basis,
        one.kept,
        ", ".join(one.readers),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


async def _report(kernel: Kernel, args: Namespace) -> int:
    made = await report(kernel, SYSTEM, *_named(args.what))
    shutil.move(made, args.file)
    sys.stdout.write(f"{args.file}\n")
    return 0


async def _erase(kernel: Kernel, args: Namespace) -> int:
    entity, id = _named(args.what)
    if args.apply:
        told = await erase_person(kernel, SYSTEM, entity, id, args.reason)
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return 0
    found = await preview(kernel, SYSTEM, entity, id)
    for part in found.parts:
        where = " (in the trash)" if part.deleted else ""
        fields = ", ".join(part.values)
        sys.stdout.write(f"{part.entity.title} {part.label}{where}: {fields}; {part.changes} changes in the log\n")
    for hold in found.holds:
        sys.stdout.write(f"held back by {hold}\n")
    return 1 if found.holds else 0


async def _retention(kernel: Kernel, args: Namespace) -> int:
    if args.apply:
        async for one in retain(kernel, SYSTEM):
            sys.stdout.write(f"{one.outcome}: {one.entity} {one.id} {one.label}{_because(one.why)}\n")
        return 0
    async for entity, id, label in due(kernel, SYSTEM):
        sys.stdout.write(f"{entity.privacy.then}: {entity.name} {id} {label}\n")
    return 0


def _because(why: str) -> str:
    return f" ({why})" if why else ""


async def _replay(kernel: Kernel, args: Namespace) -> int:
    count = 0
    async for _ in replay(kernel, SYSTEM, _lines(Path(args.ledger))):
        count += 1
    sys.stdout.write(f"{count} records erased again\n")
    return 0


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            told = json.loads(line)
            if not isinstance(told, dict) or not {"kind", "record", "subject"} <= told.keys():
                raise XrmError(f"{path}:{number} is no record of the ledger.", hint="xrm export erasure ledger.jsonl")
            yield told
    except (OSError, ValueError) as error:
        raise XrmError(f"{path} cannot be read: {error}") from None


def _named(what: str) -> tuple[str, UUID]:
    entity, _, id = what.partition("/")
    try:
        return entity, UUID(id)
    except ValueError:
        raise XrmError(f"{what!r} names no record.", hint="write ENTITY/ID, such as party/0193…") from None


_PARTS: Mapping[str, Callable[[Kernel, Namespace], Awaitable[int]]] = MappingProxyType(
    {"processing": _processing, "report": _report, "erase": _erase, "retention": _retention, "replay": _replay}
)
PRIVACY = Command("privacy", "tell what is kept of people; reports, erasure, retention", _run, _arguments)
