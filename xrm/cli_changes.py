"""Commands about what happened to records: what changed last, who put a value there, and taking it back."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from xrm.errors import XrmError
from xrm.kernel.change import Actor
from xrm.kernel.history.undo import Undone
from xrm.printing import emit
from xrm.site import Site

CLI = Actor(id=None, name="Command line", kind="system", source="cli")
SHOWN = 20  # records of an undo, or fields of a change, that are printed


async def actor_as(site: Site, email: str | None, source: str) -> Actor:
    """Return the user with an e-mail address as the actor of a command; without one, the command line itself.

    Raises:
        XrmError: there is no such user.
    """
    if email is None:
        return replace(CLI, source=source)
    found = await site.kernel.records.bound(CLI).find("user", f"email == {json.dumps(email.lower())}")
    actor = await site.accounts.actor_for(UUID(found["id"])) if found else None
    if actor is None:
        raise XrmError(f"There is no active user {email}.")
    return replace(actor, source=source)


async def changes(site: Site, args: argparse.Namespace) -> int:
    """List the change-sets that were made last, or after a cursor."""
    actor = await actor_as(site, args.email, "cli")
    after = args.after if args.after is not None else max(0, await site.kernel.feed.end() - args.limit)
    news = await site.kernel.feed.read(actor, after, args.limit, args.entity)
    if args.json:
        emit({"changes": news.changes, "next": news.cursor, "more": news.more})
        return 0
    for told in news.changes:
        for line in _lines(told):
            print(line)
    if news.more:
        print(f"There is more: --after {news.cursor}")
    return 0


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    who = told["actor"]["label"] or "System"
    behalf = f" for {told['behalf']['label']}" if told["behalf"] else ""
    why = f"  ({told['reason']})" if told["reason"] else ""
    run = f"  run {told['run']}" if told["run"] else ""
    yield f"{told['id']}  {told['at'][:16].replace('T', ' ')}  {who}{behalf}, {told['source']}{why}{run}"
    for change in told["changes"][:SHOWN]:
        fields = ", ".join(change["after"]) if change["kind"] != "delete" else ""
        yield f"    {change['kind']} {change['entity']} {change['record']}  {fields}"
    if len(told["changes"]) > SHOWN:
        yield f"    … and {len(told['changes']) - SHOWN} more"


async def blame(site: Site, args: argparse.Namespace) -> int:
    """Say who or what put each value of a record there."""
    actor = await actor_as(site, args.email, "cli")
    found = await site.kernel.records.blame(actor, args.entity, _id(args.id))
    if args.json:
        emit(found)
        return 0
    for name, put in sorted(found.items()):
        value = json.dumps(put["value"], ensure_ascii=False)
        how = " (derived)" if put["derived"] else ""
        where = ", ".join(part for part in (put["source"], put["origin"], put["reason"]) if part)
        who = put["made_by"] or put["actor"]["label"] or "System"
        print(f"{name:<24} {value:<40.40} {put['at'][:16].replace('T', ' ')}  {who}, {where}{how}")
    return 0


async def undo(site: Site, args: argparse.Namespace) -> int:
    """Show what undoing a change-set or run would do; do it with --yes."""
    actor, id = await actor_as(site, args.email, "cli"), _id(args.change)
    records = site.kernel.records
    if args.yes:
        done = await records.undo(actor, id, args.reason, "newer" if args.keep_newer else "")
    else:
        done = await records.preview_undo(actor, id)
    if args.json:
        emit({**done.to_dict(), "dry_run": not args.yes})
        return 1 if done.conflicts and not args.yes else 0
    _show(done)
    if args.yes:
        print(f"This is change-set {done.changeset}." if done.changeset else "There was nothing to change.")
    elif done.conflicts:
        print("To take back the rest and keep these as they are, add --yes --keep-newer.")
        return 1
    else:
        print("To do it, add --yes.")
    return 0


def _show(done: Undone) -> None:
    for change in done.changes[:SHOWN]:
        pairs = (f"{n}: {_text(v['from'])} → {_text(v['to'])}" for n, v in change["fields"].items())
        print(f"  {change['kind']} {change['entity']} {change['record']}  {'; '.join(pairs)}")
    if len(done.changes) > SHOWN:
        print(f"  … and {len(done.changes) - SHOWN} more")
    for conflict in done.conflicts:
        by = conflict.get("by")
        who = f" By {by['actor']['label'] or 'System'}, {by['at'][:16].replace('T', ' ')}." if by else ""
        print(f"  kept: {conflict['entity']} {conflict['record']}: {conflict['message']}{who}")


def _text(value: Any) -> str:
    return "–" if value is None else json.dumps(value, ensure_ascii=False)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise XrmError(f"{text!r} is not an id; `xrm changes` shows those of change-sets and runs.") from None


def _as(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as", dest="email", help="with the rights of this user (default: the system)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _changes_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, metavar="CURSOR", help="those after this one (default: the last ones)")
    parser.add_argument("--limit", type=int, default=20, help="at most so many (default: 20, at most 200)")
    parser.add_argument("--entity", default="", help="only what is about records of this entity")
    _as(parser)


def _blame_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity")
    parser.add_argument("id", help="of the record")
    _as(parser)


def _undo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("change", help="the id of a change-set, or of a run: all of an import")
    parser.add_argument("--yes", action="store_true", help="do it; without, only what it would do is shown")
    parser.add_argument("--keep-newer", action="store_true", help="leave out what was changed since")
    parser.add_argument("--reason", default="", help="why, for the history")
    _as(parser)


COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None], Any], ...] = (
    ("changes", "list what was changed last, by whom", _changes_arguments, changes),
    ("blame", "say who or what put each value of a record there", _blame_arguments, blame),
    ("undo", "take back a change-set, or all of a run", _undo_arguments, undo),
)
