"""``xrm why`` and ``xrm what-if``: what the policy decides, and what a change of roles would change."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from xrm.builtin.decisions.decision import Decision, Ground, Part, Question
from xrm.builtin.decisions.person import find_person
from xrm.builtin.decisions.what_if import lines as told
from xrm.builtin.decisions.what_if import what_if
from xrm.builtin.decisions.why import why
from xrm.errors import XrmError
from xrm.kernel.change import SYSTEM
from xrm.kernel.hooks import Command


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("user", help="e-mail address or id of the person")
    parser.add_argument("action", help="read, create, update, delete …, or run:<action>")
    parser.add_argument("what", metavar="ENTITY[/ID]", help="an entity, or one record of it")
    parser.add_argument("--field", default="", help="one field of it")
    parser.add_argument("--json", action="store_true", help="print JSON")


async def _run(site: Any, args: Namespace) -> int:
    entity, _, id = args.what.partition("/")
    question = Question(args.action, entity, _id(id), args.field)
    person = await find_person(site.kernel, site.accounts, SYSTEM, args.user)
    found = await why(site.kernel, SYSTEM, person, question)
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if args.json else "\n".join(lines(found))
    sys.stdout.write(f"{text}\n")
    return 0 if found.allowed else 1


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise XrmError(f"{text!r} is not the id of a record.") from None


def lines(found: Decision) -> Iterator[str]:
    """Yield a decision as people read it."""
    yield f"{'Yes' if found.allowed else 'No'}. {found.because}"
    for right in found.rights:
        held = [ground for ground in right.grounds if ground.held]
        yield f"{right.action}: {'given' if right.holds else 'not given'}" + ("" if held else ", by no role of theirs")
        yield from (f"  {_line(ground)}" for ground in held)
    if found.facts:
        yield "the record: " + ", ".join(f"{name} = {_shown(value)}" for name, value in found.facts.items())
    if found.changes:
        yield "what would change it:"
        yield from (f"  - {change}" for change in found.changes)


def _line(ground: Ground) -> str:
    rows = ", ".join(f"{part.name} {part.text}{_mark(part)}" for part in ground.parts) or "every record"
    field = "" if ground.gives is None else ", gives the field" if ground.gives else ", does not give the field"
    if not ground.role:
        return f"shares: {rows}{field}"
    return f"{ground.role}, grant {ground.number} ({ground.place}): {rows}{field}"


def _mark(part: Part) -> str:
    return "" if part.holds is None else " (holds)" if part.holds else " (does not hold)"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("label") or value.get("id") or json.dumps(value, ensure_ascii=False))
    return json.dumps(value, ensure_ascii=False)


def _what_if_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


async def _what_if(site: Any, args: Namespace) -> int:
    proposed = site.kernel.read_model(site.kernel.sources())
    found = await what_if(site.kernel, site.accounts, SYSTEM, proposed)
    text = json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if args.json else "\n".join(told(found))
    sys.stdout.write(f"{text}\n")
    return 0


WHAT_IF = Command("what-if", "say who gains and loses what by the roles in the files", _what_if, _what_if_arguments)
WHY = Command("why", "say why somebody may or may not do something", _run, _arguments)
