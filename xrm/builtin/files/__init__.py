"""``xrm files sweep``, and a job each night: takes away uploads that waited too long and contents no record names."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from datetime import timedelta
from typing import Any

from xrm.kernel.files.attaching import named_digests
from xrm.kernel.files.content import Swept
from xrm.kernel.hooks import Command, hookimpl
from xrm.kernel.jobs.kind import JobKind
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.kernel import Kernel


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=["sweep"], help="sweep: take away what no record names")
    parser.add_argument("--hours", type=int, default=None, help="how old a content must be (default: upload_hours)")


async def _sweep(kernel: Kernel, hours: int | None) -> Swept:
    named = await named_digests(kernel.store, kernel.live.model)
    return await asyncio.to_thread(kernel.files.sweep, named, hours)


async def _sweep_by_night(run: JobRun) -> None:
    swept = await _sweep(run.kernel, None)
    await run.progress(swept.files, swept.files, f"{swept.files} files taken away, {swept.uploads} uploads expired")


async def _run(site: Any, args: Namespace) -> int:
    swept = await _sweep(site.kernel, args.hours)
    sys.stdout.write(
        f"{swept.files} files taken away ({swept.freed:,} bytes), {swept.uploads} uploads expired, "
        f"{swept.kept} files kept\n"
    )
    return 0


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [Command("files", "take away files that no record names", _run, _arguments)]


@hookimpl
def jobs() -> list[JobKind]:
    """Return the kinds of jobs."""
    night = timedelta(hours=2, minutes=20)
    return [JobKind("files.sweep", "Take away files no record names", _sweep_by_night, every=timedelta(1), after=night)]
