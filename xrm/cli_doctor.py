"""The command that compares the database with its journal and repairs it, and looks after the jobs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from xrm.kernel.jobs.stuck import find_stuck
from xrm.kernel.migration.drift import examine, repair
from xrm.printing import emit, show_issues
from xrm.site import Site


async def doctor(site: Site, args: argparse.Namespace) -> int:
    """Say where the database differs from the model in force; with --repair, mend what loses no value."""
    store = site.kernel.store
    found = await (repair(store) if args.repair else examine(store))
    plan = found.repairs(store)
    stuck = await find_stuck(site.kernel.jobs, site.kernel.clock()) if site.kernel.ready else []
    findings = (*found.findings, *stuck)
    if args.json:
        emit({"findings": [issue.to_dict() for issue in findings], "repairs": list(plan)})
        return 1 if findings else 0
    show_issues(findings)
    if not found.findings:
        print("The database is what the journal says.")
    elif plan:
        print("`xrm doctor --repair` would run:")
        for sql in plan:
            print(f"  {sql}")
    return 1 if findings else 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repair", action="store_true", help="mend what can be mended without losing a value")
    parser.add_argument("--json", action="store_true", help="print JSON")


COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None], Any], ...] = (
    ("doctor", "compare the database with the model in force, and repair it", _arguments, doctor),
)
