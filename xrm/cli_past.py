"""Commands about the model's past: history, rollback, and the purge of what is kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from xrm.api.files import files_of, write_sources
from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.migration.journal import Generation
from xrm.kernel.migration.purge import Selection
from xrm.printing import emit, progress_line, show_issues, show_plan
from xrm.site import Site

CLI = Actor(id=None, name="Command line", kind="system", source="cli")


async def history(site: Site, args: argparse.Namespace) -> int:
    """Show the generations of the model, or the steps of one."""
    found = await site.kernel.history()
    if args.generation is not None:
        found = [g for g in found if g.number == args.generation]
        if not found:
            raise NotFound(f"There is no generation {args.generation}.")
    if args.json:
        listed = [_as_json(g) for g in found]
        emit(listed if args.generation is None else listed[0])
        return 0
    for generation in found:
        count = len(generation.steps)
        steps = f"{count} {'step' if count == 1 else 'steps'}"
        print(f"{generation.number:>4}  {generation.at:%Y-%m-%d %H:%M}  {generation.actor_name}  {steps}")
        for step in generation.steps if args.steps or args.generation is not None else ():
            print(f"        {step['description']}{_impact(step)}")
    return 0


def _as_json(generation: Generation) -> dict[str, Any]:
    return {
        "generation": generation.number,
        "at": generation.at.isoformat(),
        "actor": generation.actor_name,
        "steps": list(generation.steps),
    }


def _impact(step: Any) -> str:
    if not step.get("affected"):
        return ""
    rows = f" of {step['rows']}" if "rows" in step else ""
    return f"  [{step['affected']}{rows} records]"


async def rollback(site: Site, args: argparse.Namespace) -> int:
    """Show the way back to a generation; go it with --yes."""
    plan = await site.kernel.plan_rollback(args.generation)
    if plan.empty:
        print("Nothing to do: these definitions are in force.")
        return 0
    if not args.yes:
        if args.json:
            emit(plan.to_dict())
        else:
            show_plan(plan)
            print(f"plan {plan.hash}: go back with `xrm rollback {args.generation} --yes --hash {plan.hash}`")
        return 1 if plan.blocking else 0
    told = progress_line(sys.stderr)
    done = await site.kernel.rollback(CLI, args.generation, frozenset(args.consent), args.hash, told)
    sources = files_of(site.kernel.sources(), done.generation.sources)
    issues = write_sources(site.settings.folder, sources) if args.write_files else []
    if args.json:
        emit({"generation": done.generation.number, "steps": [s.to_dict() for s in done.steps]})
        return 1 if issues else 0
    show_plan(done.plan)
    print(f"generation {done.generation.number} is in force, with the definitions of {args.generation}")
    show_issues(issues)
    if sources and not args.write_files:
        names = ", ".join(source.file for source in sources)
        print(f"The files on disk still say otherwise: {names}. `--write-files` writes them, or take them from git.")
    return 1 if issues else 0


async def purge(site: Site, args: argparse.Namespace) -> int:
    """Say what is kept of dropped and changed values; remove it for good with --yes."""
    selection = Selection.of(args.generation, args.older_than, site.kernel.clock())
    found = await (site.kernel.purge(CLI, selection) if args.yes else site.kernel.kept(selection))
    if args.json:
        emit({"purged": args.yes, "kept": [one.to_dict() for one in found]})
        return 0
    for one in found:
        print(f"  generation {one.holding.generation}, {one.at:%Y-%m-%d}: {one.description}")
    if not found:
        print("Nothing is kept.")
    elif args.yes:
        print("This is gone for good.")
    else:
        print("To remove this for good, so that no rollback brings it back, add --yes.")
    return 0


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generation", type=int, nargs="?", help="only this one, with its steps")
    parser.add_argument("--steps", action="store_true", help="also print what was done")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("generation", type=int, help="the one to go back to; see `xrm history`")
    parser.add_argument("--yes", action="store_true", help="do it; without, only the plan is shown")
    parser.add_argument(
        "--consent", action="append", default=[], metavar="STEP", help="id of a destructive step that may be done"
    )
    parser.add_argument("--hash", default="", help="only if the plan is still the one that was shown")
    parser.add_argument("--write-files", action="store_true", help="also write the definitions to entities/")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _purge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--generation", type=int, metavar="N", help="only what generation N dropped or changed")
    parser.add_argument("--older-than", type=int, metavar="DAYS", help="only what was kept longer ago")
    parser.add_argument("--yes", action="store_true", help="do it; without, only the numbers are shown")
    parser.add_argument("--json", action="store_true", help="print JSON")


COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None], Any], ...] = (
    ("history", "show the generations of the model, or what one of them did", _history_arguments, history),
    ("rollback", "go back to an earlier generation of the model, with its values", _rollback_arguments, rollback),
    ("purge", "remove for good what is kept of dropped and changed values", _purge_arguments, purge),
)
