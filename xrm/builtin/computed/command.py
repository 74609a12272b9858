"""``xrm explain-expression`` and ``xrm verify computed``: how expressions are understood, and that nothing is stale."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from xrm.builtin.computed.explain import Explained, Part, explain
from xrm.builtin.computed.verify import lines, verify
from xrm.errors import XrmError
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.history import audit
from xrm.kernel.history.seal import Head
from xrm.kernel.hooks import Command
from xrm.kernel.migration.drift import reindex


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("expression", help="such as \"amount > 100 && customer.country == 'DE'\"")
    parser.add_argument("--entity", required=True, help="over whose records it is written")
    parser.add_argument("--id", default="", help="the record to compute it for")
    parser.add_argument("--as", dest="email", default="", help="as this user sees it (default: the system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


async def _run(site: Any, args: Namespace) -> int:
    actor = await _actor(site, args.email)
    found = await explain(site.kernel, actor, args.entity, args.expression, _id(args.id))
    text = json.dumps(found.to_dict(), indent=2) if args.json else "\n".join(_lines(found))
    sys.stdout.write(f"{text}\n")
    return 0


async def _actor(site: Any, email: str) -> Actor:
    if not email:
        return SYSTEM
    user = await site.kernel.records.bound(SYSTEM).find("user", f"email == {json.dumps(email.lower())}")
    actor: Actor | None = await site.accounts.actor_for(UUID(user["id"])) if user else None
    if actor is None:
        raise XrmError(f"There is no active user {email}.")
    return actor


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise XrmError(f"{text!r} is not the id of a record.") from None


def _lines(found: Explained) -> Iterator[str]:
    yield f"gives {found.type}"
    yield from _tree(found.tree, "", "")
    yield f"SQL: {found.sql}"
    for number, value in enumerate(found.parameters, 1):
        yield f"  {number}: {value}"


def _tree(part: Part, first: str, rest: str) -> Iterator[str]:
    value = f" = {json.dumps(part.value, ensure_ascii=False)}" if part.known else ""
    yield f"{first}{part.text}  ({part.type}){value}"
    for number, inner in enumerate(part.parts, 1):
        last = number == len(part.parts)
        yield from _tree(inner, rest + ("└ " if last else "├ "), rest + ("  " if last else "│ "))


def _verify_arguments(parser: ArgumentParser) -> None:
    told = "computed: kept formulas, lookups, rollups and labels; audit: the log of changes"
    parser.add_argument("what", choices=["computed", "audit"], help=told)
    parser.add_argument("entity", nargs="?", default="", help="computed: of this entity (default: of all)")
    parser.add_argument("--anchor", default="", metavar="SEQ:HASH", help="audit: a head that was noted earlier")
    parser.add_argument("--repair", action="store_true", help="compute anew what is stale")
    parser.add_argument("--json", action="store_true", help="print JSON")


async def _verify(site: Any, args: Namespace) -> int:
    if args.what == "audit":
        return await _audit(site, args)
    mode = "repair" if args.repair else "report"
    found = await verify(site.kernel, args.entity, mode)
    report = [one.to_dict() for one in found]
    text = json.dumps(report, indent=2) if args.json else "\n".join(lines(found, mode))
    sys.stdout.write(f"{text}\n")
    return 1 if mode == "report" and any(one.stale for one in found) else 0


async def _audit(site: Any, args: Namespace) -> int:
    found = await audit.verify(site.kernel.store, _anchor(args.anchor), site.kernel.live.model.entities)
    head = f"{found.head.seq}:{found.head.hash}"
    if args.json:
        issues = [issue.to_dict() for issue in found.issues]
        sys.stdout.write(json.dumps({"head": head, "issues": issues}, indent=2) + "\n")
    else:
        told = [f"  {issue.path}: {issue.message}" for issue in found.issues]
        good = f"{found.head.seq} change-sets are as they were sealed. Note the head elsewhere:"
        sys.stdout.write("\n".join([*told, *([] if told else [good]), head]) + "\n")
    return 1 if found.issues else 0


def _anchor(text: str) -> Head | None:
    seq, _, hash = text.partition(":")
    if text and not (seq.isascii() and seq.isdigit() and hash):
        raise XrmError(f"{text!r} is no head of the log: it is like 1200:5f0c…, as `xrm verify audit` prints it.")
    return Head(int(seq), hash) if text else None


VERIFY = Command("verify", "prove that no kept value is stale, or that the log is whole", _verify, _verify_arguments)
EXPLAIN = Command("explain-expression", "say how an expression is understood, and what it gives", _run, _arguments)


def _reindex_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("entity", nargs="?", default="", help="only of this one")


async def _reindex(site: Any, args: Namespace) -> int:
    names = [args.entity] if args.entity else list(site.kernel.live.entities)
    await verify(site.kernel, args.entity, "repair")
    sys.stdout.write(f"{await reindex(site.kernel.store, names)} indexes of words were made anew.\n")
    return 0


REINDEX = Command("reindex", "make anew what the search looks into", _reindex, _reindex_arguments)
