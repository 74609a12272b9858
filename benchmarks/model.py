"""`make bench-model`: what a large model costs: to load and check, to make its tables, to change one entity of it.

Figures are CPU seconds of this process, which a busy machine falsifies least; the bars are those of issue 3. On
PostgreSQL the server works besides, so its seconds by the clock are shown too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from benchmarks.__main__ import postgres
from benchmarks.models import Size, name, write_site
from xrm.api.openapi import make_document
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.testing import site_settings


@contextmanager
def measured(what: str, bar: float = 0.0) -> Iterator[None]:
    """Print what the block inside costs."""
    cpu, clock = time.process_time(), time.perf_counter()
    yield
    cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    verdict = f"bar {bar:g} s: {'kept' if cpu <= bar else 'MISSED'}" if bar else ""
    print(f"  {what:52}{cpu:8.3f} s CPU{clock:8.3f} s clock  {verdict}", flush=True)


@asynccontextmanager
async def opened(folder: Path, url: str) -> AsyncIterator[Kernel]:
    """Give the kernel of the site in a folder."""
    kernel = await Kernel.open(site_settings(folder, url, plugins=[], synchronous="normal"))
    try:
        yield kernel
    finally:
        await kernel.close()


def change(folder: Path, number: int, round_: int) -> None:
    """Change one entity: a new title, and a field that comes and stays."""
    path = folder / "entities" / f"{name(number)}.yaml"
    lines = path.read_text("utf-8").splitlines()
    lines[1] = f"title: Kind {number} of round {round_}"
    if round_ == 1:
        lines.insert(lines.index("fields:") + 1, "  fresh: text")
    path.write_text("\n".join(lines) + "\n", "utf-8")


async def measure(size: Size, url: str) -> None:
    """Print the figures for one database."""
    folder = Path(tempfile.mkdtemp(prefix="xrm-model-"))
    write_site(folder, size)
    async with opened(folder, url) as kernel:
        with measured("load and check, from files to model", 2):
            sources = kernel.sources()
            kernel.read_model(sources)
        with measured("tables made, first generation in force", 2):
            await kernel.apply(SYSTEM, sources)
        change(folder, 42 % size.entities, 1)
        with measured("one entity changed: files to model again", 0.1):
            kernel.read_model(kernel.sources())
        with measured("one entity changed: plan"):
            await kernel.plan(kernel.sources())
        async with opened(folder, url) as other:
            with measured("one entity changed: apply"):
                await kernel.apply(SYSTEM, kernel.sources())
            with measured("one entity changed: another process swaps", 0.1):
                await other.refresh()
            change(folder, 0, 1)
            await kernel.apply(SYSTEM, kernel.sources())
            with measured("the one all point to changed: another swaps"):
                await other.refresh()
        await _requests(kernel, name(42 % size.entities))


async def _requests(kernel: Kernel, entity: str) -> None:
    for what in ("first list after it", "the same list again"):
        with measured(what):
            await kernel.records.list(SYSTEM, entity, Query())
    limited = Actor(None, "Bench", frozenset({"role_01"}))
    for actor, whose in ((SYSTEM, "the system's"), (limited, "of a role with 50 entities")):
        with measured(f"OpenAPI document, {whose}"):
            text = json.dumps(make_document("Bench", "1", "xrm", kernel.live, actor))
        print(f"  {'its size':52}{len(text) / 1e6:8.2f} MB")


async def reload_often(url: str, times: int) -> None:
    """Print how the memory of a process grows while another changes the model again and again."""
    size, folder = Size(entities=50), Path(tempfile.mkdtemp(prefix="xrm-model-"))
    write_site(folder, size)
    async with opened(folder, url) as kernel, opened(folder, url) as other:
        used: list[float] = []
        for round_ in range(1, times + 1):
            change(folder, round_ % size.entities, round_)
            await kernel.apply(SYSTEM, kernel.sources())
            await other.refresh()
            await other.records.list(SYSTEM, name(round_ % size.entities), Query())
            gc.collect()
            used.append(resident())
        early = used[min(len(used) - 1, times // 5)]
        print(f"  {f'memory after {times // 5} and {times} reloads':52}{early:8.1f} MB, {used[-1]:.1f} MB")


def resident() -> float:
    """Return the memory this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def run(args: argparse.Namespace) -> None:
    """Measure on SQLite, then on PostgreSQL."""
    size = Size(args.entities, args.fields)
    file = Path(tempfile.mkdtemp(prefix="xrm-model-"))
    print(f"{size.entities} entities of {size.fields} fields, SQLite")
    await measure(size, f"sqlite:///{file}/site.db")
    async with postgres(args.database) as url:
        print(f"{size.entities} entities of {size.fields} fields, PostgreSQL")
        await measure(size, url)
    print("50 entities, reloaded over and over, SQLite")
    await reload_often(f"sqlite:///{file}/often.db", args.reloads)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser("benchmarks.model", description=__doc__)
    parser.add_argument("--database", help="postgresql://… of an empty database (default: a server of our own)")
    parser.add_argument("--entities", type=int, default=500)
    parser.add_argument("--fields", type=int, default=20)
    parser.add_argument("--reloads", type=int, default=100)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
