"""The commands that do jobs apart from `xrm serve`, and that show and mend them."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable
from typing import Any
from uuid import UUID

from xrm.errors import XrmError
from xrm.kernel.jobs.kind import STATES
from xrm.kernel.jobs.table import Wanted
from xrm.printing import emit
from xrm.site import Site

STOP_SECONDS = 20.0  # how long jobs under way may take to end after a stop was asked for


async def work(site: Site, args: argparse.Namespace) -> int:
    """Do jobs until Ctrl-C or SIGTERM; with --once, do what is due now and end."""
    if args.once:
        print(f"{await site.kernel.jobs.work_off()} jobs were run.")
        return 0
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopped.set)
    site.kernel.watch()
    site.kernel.jobs.start(args.at_once or site.settings.jobs_at_once)
    print(f"Doing jobs as {site.kernel.jobs.name}; Ctrl-C stops it.", flush=True)
    await stopped.wait()
    await site.kernel.jobs.stop(STOP_SECONDS)
    return 0


async def jobs(site: Site, args: argparse.Namespace) -> int:
    """List jobs, start one anew, or end one."""
    door = site.kernel.jobs
    if args.what in ("retry", "cancel"):
        done = await (door.retry(args.id) if args.what == "retry" else door.cancel(args.id))
        if not done:
            raise XrmError(f"There is no job {args.id} that this can be done with; see `xrm jobs list`.")
        print("It is started anew." if args.what == "retry" else "It is ended.")
        return 0
    found = await door.table.page(Wanted(args.state, args.kind), limit=args.limit)
    if args.json:
        emit([job.to_dict() for job in found])
        return 0
    for job in found:
        progress = f"{job.done}/{job.total}" if job.total else ""
        told = job.error if job.state != "done" else job.note
        print(f"{job.id}  {job.state:<9} {job.kind:<20} {job.attempts:>3} {progress:>9}  {told or ''}"[:200])
    return 0


def _work_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="do what is due now, then end")
    parser.add_argument("--at-once", type=int, metavar="N", help="jobs at the same time (default: jobs_at_once)")


def _jobs_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="what", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="list jobs, the newest first")
    listed.add_argument("--state", default="", choices=STATES)
    listed.add_argument("--kind", default="")
    listed.add_argument("--limit", type=int, default=50)
    listed.add_argument("--json", action="store_true", help="print JSON")
    for name, help in (("retry", "start a job anew that failed, was ended, or waits"), ("cancel", "end a job")):
        actions.add_parser(name, help=help).add_argument("id", type=UUID)


async def read_only(site: Site, args: argparse.Namespace) -> int:
    """Refuse all writes of records in every process of the site, or take them again."""
    kernel = site.kernel
    if args.switch == "on":
        await kernel.make_read_only(args.reason)
    elif args.switch == "off":
        await kernel.make_writable()
    print(f"Writes are refused: {kernel.read_only}" if kernel.read_only else "Writes are taken.")
    return 0


def _switch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("switch", choices=("on", "off", "show"))
    parser.add_argument("--reason", default="The site is being looked after.", help="what people are told")


COMMANDS: tuple[tuple[str, str, Callable[[argparse.ArgumentParser], None], Any], ...] = (
    ("work", "do jobs, beside `xrm serve` or in its place", _work_arguments, work),
    ("readonly", "refuse all writes for a while, or take them again", _switch_arguments, read_only),
    ("jobs", "list jobs, start them anew, end them", _jobs_arguments, jobs),
)
