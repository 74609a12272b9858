"""``xrm files sweep``: takes away uploads that waited too long and contents that no record names."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from xrm.kernel.files.attaching import named_digests
from xrm.kernel.hooks import Command, hookimpl


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("what", choices=["sweep"], help="sweep: take away what no record names")
    parser.add_argument("--hours", type=int, default=None, help="how old a content must be (default: upload_hours)")


async def _run(site: Any, args: Namespace) -> int:
    kernel = site.kernel
    named = await named_digests(kernel.store, kernel.live.model)
    swept = await asyncio.to_thread(kernel.files.sweep, named, args.hours)
    sys.stdout.write(
        f"{swept.files} files taken away ({swept.freed:,} bytes), {swept.uploads} uploads expired, "
        f"{swept.kept} files kept\n"
    )
    return 0


@hookimpl
def commands() -> list[Command]:
    """Return the commands of the command line."""
    return [Command("files", "Take away files that no record names.", _run, _arguments)]
