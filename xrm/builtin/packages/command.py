"""``xrm package export`` and ``xrm package import``."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xrm.builtin.packages.archive import MAX_ARCHIVE, pack, read_folder, unpack, write_folder
from xrm.builtin.packages.exporting import SITE, Choice, Coverage, Label, export_package
from xrm.builtin.packages.importing import Arrival, prepare, write
from xrm.builtin.packages.manifest import read_package
from xrm.errors import Invalid, Issue
from xrm.kernel.hooks import Command


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write definitions to a folder, or to a file that ends in .zip")
    export.add_argument("target", type=Path)
    chosen = export.add_mutually_exclusive_group()
    chosen.add_argument("--layer", default=SITE, help="whose definitions (default: the site's own)")
    chosen.add_argument("--plugin", default="", help="those of a plugin")
    export.add_argument("--entities", default="", help="comma-separated: only what is about these")
    export.add_argument("--name", default="", help="of the package (default: from the file's name)")
    export.add_argument("--title", default="", help="what people call it")
    export.add_argument("--version", default="1.0.0", help="of the package", dest="package_version")
    take = actions.add_parser("import", help="show what a package would do, and write its definitions")
    take.add_argument("source", type=Path)
    take.add_argument("--dry-run", action="store_true", help="write nothing")
    for each in (export, take):
        each.add_argument("--json", action="store_true", help="print JSON")


async def _run(site: Any, args: Namespace) -> int:
    return _export(site, args) if args.what == "export" else await _import(site, args)


def _export(site: Any, args: Namespace) -> int:
    name = args.name or re.sub(r"[^a-z0-9]+", "_", args.target.stem.lower()).strip("_") or "package"
    entities = tuple(part.strip() for part in args.entities.split(",") if part.strip())
    choice = Choice(args.plugin or args.layer, entities)
    package, coverage = export_package(site.kernel, choice, Label(name, args.title, args.package_version))
    if args.target.suffix == ".zip":
        try:
            with args.target.open("xb") as file:
                file.write(pack(package.written()))
        except FileExistsError:
            raise Invalid("Nothing was written", [Issue(str(args.target), "exists", "The file exists.")]) from None
    else:
        write_folder(args.target, package.written())
    _say(json.dumps(coverage.to_dict(), indent=2) if args.json else "\n".join(_report(coverage)))
    return 0


def _report(coverage: Coverage) -> Iterator[str]:
    yield f"Exported: {len(coverage.exported)} definitions"
    yield from (f"  {kind} {name}  ({file})" for file, kind, name in coverage.exported)
    if coverage.foreign:
        yield "Of others:"
        yield from (f"  entity {name}  (of {layer!r})" for name, layer in coverage.foreign.items())
    yield "Needs:"
    for key, value in coverage.needs.to_dict().items():
        shown = ", ".join(f"{n} {v}".strip() for n, v in value.items()) if isinstance(value, dict) else value
        if shown:
            yield f"  {key}: {shown if isinstance(shown, str) else ', '.join(shown)}"
    yield "Left out:"
    yield from (f"  {what}: {reason}" for what, reason in coverage.excluded)


async def _import(site: Any, args: Namespace) -> int:
    files = read_folder(args.source) if args.source.is_dir() else unpack(_content(args.source))
    arrival = await prepare(site.kernel, read_package(files))
    blocked = bool(arrival.plan.blocking)
    if not args.dry_run and not blocked:
        write(site.settings.folder, arrival)
    if args.json:
        _say(json.dumps(arrival.to_dict(), indent=2, default=str))
    else:
        _say("\n".join(_arrived(arrival)))
        written = "Nothing was written." if args.dry_run or blocked else "Written. Apply it with `xrm apply`."
        _say(written)
    return 1 if blocked else 0


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ARCHIVE + 1)
    except OSError as error:
        raise Invalid("This package cannot be read", [Issue(str(path), "unreadable", f"{error.strerror}.")]) from None


def _arrived(arrival: Arrival) -> Iterator[str]:
    yield f"{arrival.package.title} {arrival.package.version}"
    yield from (f"  new: {name}" for name in arrival.new)
    yield from (f"  there already: {name}" for name in arrival.unchanged)
    if arrival.roles:
        yield f"It speaks of the roles {', '.join(arrival.roles)}."
    yield from (f"{step.severity:<12} {step.description}" for step in arrival.plan.shown)
    yield from (f"  {issue}" for issue in arrival.plan.issues)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


PACKAGE = Command("package", "take definitions from one site to another", _run, _arguments)
