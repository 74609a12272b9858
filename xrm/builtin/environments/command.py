"""``xrm env fork``, ``xrm env list`` and ``xrm env drop``."""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xrm.builtin.environments.environment import Environment, drop, environments, fork
from xrm.kernel.hooks import Command


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="ACTION")
    make = actions.add_parser("fork", help="copy the site with its records, to try a plan on them")
    make.add_argument("name")
    make.add_argument("--into", type=Path, metavar="DIR", help="folder of the copy (default: below var/environments)")
    make.add_argument("--database", default="", metavar="URL", help="an empty database to copy into")
    show = actions.add_parser("list", help="list the copies")
    away = actions.add_parser("drop", help="remove a copy, its folder and the database made for it")
    away.add_argument("name")
    for each in (make, show, away):
        each.add_argument("--json", action="store_true", help="print JSON")


async def _run(site: Any, args: Namespace) -> int:
    if args.what == "list":
        found = environments(site.settings.folder)
        if args.json:
            _say(json.dumps([each.shown() for each in found], indent=2))
        for each in () if args.json else found:
            _say(f"{each.name:<20} generation {each.generation:<5} {each.made_at[:16]}  {each.folder}")
        return 0
    if args.what == "drop":
        gone = await drop(site.settings, args.name)
        _say(json.dumps(gone.shown(), indent=2) if args.json else f"{gone.name} is gone.")
        return 0
    made = await fork(site.kernel, args.name, args.into, args.database)
    _say(json.dumps(made.shown(), indent=2) if args.json else "\n".join(_made(made)))
    return 0


def _made(made: Environment) -> Iterator[str]:
    yield f"{made.name} is a copy of this site, generation {made.generation}, in {made.folder}."
    yield "Passwords are those of the site; sessions and API keys are not there."
    yield "Nothing goes out from it: no webhooks, no mail (`outgoing: false` in its xrm.yaml)."
    yield "Try a plan there, or look at it:"
    # a variable wins over the copy's xrm.yaml, and would lead to the site's own database
    set_here = [name for name in ("XRM_DATABASE", "XRM_PORT", "XRM_SITE") if os.environ.get(name)]
    prefix = f"env {' '.join(f'-u {name}' for name in set_here)} " if set_here else ""
    for command in ("plan", "serve"):
        yield f"  {prefix}xrm --site {shlex.quote(made.folder)} {command}"
    yield "Files and encrypted values are readable there, too: keep the copy as well protected as the site."


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


ENV = Command("env", "copies of the site to try a plan on", _run, _arguments)
