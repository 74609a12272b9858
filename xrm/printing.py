"""What the command line prints: JSON, errors, findings, plans."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from xrm.errors import Issue, XrmError
from xrm.kernel.migration.apply import Progress, Tell, silent
from xrm.kernel.migration.plan import Plan


def emit(data: Any, out: TextIO | None = None) -> None:
    """Print JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str), file=out or sys.stdout)


def emit_error(error: XrmError) -> None:
    """Print an error as JSON."""
    emit({"error": error.code, "message": error.message, "issues": [i.to_dict() for i in error.issues]})


def show_error(error: XrmError) -> None:
    """Print an error on standard error."""
    print(f"xrm: {error.message}", file=sys.stderr)
    show_issues(error.issues, sys.stderr)


def show_issues(issues: Sequence[Issue], out: TextIO | None = None) -> None:
    """Print findings, one per line."""
    for issue in issues:
        warning = "warning: " if issue.severity == "warning" else ""
        print(
            f"  {issue.path}: {warning}{issue.message}" + (f" ({issue.hint})" if issue.hint else ""),
            file=out or sys.stdout,
        )


def show_plan(plan: Plan) -> None:
    """Print a plan's steps with their impact."""
    marks = {"safe": " ", "slow": "~", "destructive": "!"}
    for step in plan.shown:
        impact = f"  [{step.affected} of {step.rows} records]" if step.affected else ""
        print(
            f"{marks[step.severity]} {step.description}{impact}"
            + (f"  ({step.id})" if step.severity == "destructive" else "")
        )
        if step.samples:
            print("      such as " + ", ".join(step.samples))
    show_issues(plan.issues)


def progress_line(out: TextIO) -> Tell:
    """Return what shows the progress of a change on one line of a terminal; where there is none, nothing is shown."""
    if not out.isatty():
        return silent

    def tell(progress: Progress) -> None:
        rows = f": {progress.rows} of {progress.of} records" if progress.of else ""
        print(f"\r\x1b[K{progress.step} of {progress.steps}{rows}", end="", file=out, flush=True)
        if progress.step == progress.steps and progress.rows == progress.of:
            print("\r\x1b[K", end="", file=out, flush=True)

    return tell
