"""Jobs: begun with the act's commit, done at least once, their records written exactly once, dead letters kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import xrm
from xrm.kernel.change import SYSTEM
from xrm.kernel.jobs.jobs import LEASE
from xrm.kernel.jobs.kind import JobKind, LeaseLost, NewJob
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.jobs.stuck import find_stuck
from xrm.kernel.jobs.table import Wanted
from xrm.kernel.kernel import Kernel
from xrm.testing import TestSite, make_site

FILES = {
    "entities/order.yaml": """
entity: order
label: "{name}"
fields: {name: text, fail: integer}
---
entity: bill
label: "{name}"
fields: {name: text}
""",
    "plugins/billing/plugin.yaml": "plugin: billing\n",
    "plugins/billing/__init__.py": """
import xrm


async def bill(run):
    async with run.once("bill") as first:
        if first:
            await run.records.create("bill", {"name": run.payload["name"]})
    if run.attempt <= run.payload.get("fail", 0):
        raise xrm.Conflict("The printer is out of paper.")


async def ask(context, change):
    if change.kind == "create":
        job = xrm.NewJob("bill", {"name": change.after["name"], "fail": change.after.get("fail") or 0})
        await context.enqueue(job)


@xrm.hookimpl
def handlers(registry):
    registry.after_write("order", ask)


@xrm.hookimpl
def jobs():
    return [xrm.JobKind("bill", "Write a bill", bill, attempts=3, first_wait=60)]
""",
}


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES) as made:
        yield made


def with_kinds(site: TestSite, *kinds: JobKind) -> None:
    """Let the site know further kinds."""
    site.kernel.jobs._builtin = (*site.kernel.jobs._builtin, *kinds)
    site.kernel.jobs._kinds = (-1, {})


async def bills(site: TestSite) -> list[str]:
    return sorted(r["name"] for r in (await site.system.list("bill")).records)


async def states(site: TestSite) -> list[tuple[str, int]]:
    """Return (state, attempts) of the jobs that were asked for, the oldest first."""
    found = await site.kernel.jobs.table.page(Wanted())
    own = [job for job in reversed(found) if site.kernel.jobs.kinds[job.kind].every is None]
    return [(job.state, job.attempts) for job in own]


async def test_a_job_begins_with_the_commit_of_its_act_or_never(site: TestSite) -> None:
    async def fails() -> None:
        async with site.records.act(SYSTEM):
            await site.system.create("order", {"name": "lost"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fails()
    async with site.records.act(SYSTEM):
        await site.system.create("order", {"name": "kept"})
    assert await site.kernel.catch_up() == 1
    assert await bills(site) == ["kept"]
    assert await states(site) == [("done", 1)]
    (change,) = await site.records.history(SYSTEM, "bill", (await first_bill(site)))
    assert change["source"] == "job:bill", "the history says who did it"


async def first_bill(site: TestSite) -> Any:
    from uuid import UUID

    found = await site.system.find("bill", "name != null")
    assert found
    return UUID(found["id"])


async def test_what_fails_waits_longer_each_time_and_is_a_dead_letter_in_the_end(site: TestSite) -> None:
    await site.system.create("order", {"name": "a", "fail": 9})
    table = site.kernel.jobs.table
    for attempt, pause in ((1, 60), (2, 120)):
        assert await site.kernel.catch_up() == 1
        (job,) = await table.page(Wanted())
        assert (job.state, job.attempts, job.error) == ("waiting", attempt, "The printer is out of paper.")
        wait = (job.run_at - site.clock()).total_seconds()
        assert pause * 0.8 <= wait <= pause * 1.2
        assert await site.kernel.catch_up() == 0, "not before its time"
        site.clock.forward(timedelta(seconds=wait))
    await site.kernel.catch_up()
    assert await states(site) == [("failed", 3)]
    assert await bills(site) == ["a"], "its write was done once, in the first attempt"
    (job,) = await table.page(Wanted(state="failed"))
    assert await site.kernel.jobs.retry(job.id)
    await site.kernel.catch_up()
    assert await states(site) == [("waiting", 1)]
    assert await site.kernel.jobs.cancel(job.id)
    assert not await site.kernel.jobs.cancel(job.id)
    assert await bills(site) == ["a"]


async def test_two_processes_share_the_work_and_do_none_twice(site: TestSite, database_url: str) -> None:
    async with site.records.act(SYSTEM):
        for number in range(30):
            await site.system.create("order", {"name": f"{number:02}"})
    other = await Kernel.open(site.kernel.settings, site.clock)
    try:
        counts = await asyncio.gather(site.kernel.catch_up(), other.catch_up())
    finally:
        await other.close()
    assert sum(counts) == 30
    assert await bills(site) == [f"{number:02}" for number in range(30)]


async def test_who_lost_the_lease_writes_nothing_more(site: TestSite) -> None:
    reached, go_on, seen = asyncio.Event(), asyncio.Event(), []

    async def slow(run: JobRun) -> None:
        if run.attempt == 1:
            reached.set()
            await go_on.wait()
        try:
            async with run.once("write") as first:
                if first:
                    await run.records.create("bill", {"name": f"attempt {run.attempt}"})
        except LeaseLost:
            seen.append(run.attempt)
            raise

    with_kinds(site, JobKind("slow", "Slow", slow))
    await site.kernel.enqueue(NewJob("slow"))
    first = asyncio.create_task(site.kernel.catch_up())
    await reached.wait()
    assert await site.kernel.catch_up() == 0, "it is held"
    site.clock.forward(LEASE + timedelta(seconds=1))
    assert await site.kernel.catch_up() == 1, "it was taken over"
    go_on.set()
    assert await first == 1
    assert seen == [1]
    assert await bills(site) == ["attempt 2"]
    assert await states(site) == [("done", 2)]


async def test_a_running_job_that_is_cancelled_stops_and_is_not_begun_again(site: TestSite) -> None:
    reached = asyncio.Event()

    async def endless(run: JobRun) -> None:
        reached.set()
        await asyncio.Event().wait()

    with_kinds(site, JobKind("endless", "Endless", endless))
    id = await site.kernel.enqueue(NewJob("endless"))
    site.kernel.jobs.start(2)
    await asyncio.wait_for(reached.wait(), 10)
    assert await site.kernel.jobs.cancel(id)
    for _ in range(100):
        if not site.kernel.jobs.running:
            break
        await asyncio.sleep(0.02)
    await site.kernel.jobs.stop()
    assert await states(site) == [("cancelled", 1)]


async def test_a_stop_gives_back_what_has_not_ended(site: TestSite) -> None:
    begun = asyncio.Event()

    async def endless(run: JobRun) -> None:
        begun.set()
        await asyncio.Event().wait()

    with_kinds(site, JobKind("endless", "Endless", endless))
    await site.kernel.enqueue(NewJob("endless"))
    site.kernel.jobs.start(2)
    await asyncio.wait_for(begun.wait(), 10)
    await site.kernel.jobs.stop(0.01)
    assert await states(site) == [("waiting", 0)], "another process may take it at once"


async def test_one_that_is_asked_for_twice_waits_once_and_those_of_a_row_keep_their_order(site: TestSite) -> None:
    order: list[int] = []

    async def note(run: JobRun) -> None:
        order.append(run.payload["number"])
        if run.payload["number"] == 1 and run.attempt == 1:
            raise RuntimeError("not yet")

    with_kinds(site, JobKind("note", "Note", note, first_wait=10))
    jobs = site.kernel.jobs
    for number in (1, 2):
        await jobs.enqueue(NewJob("note", {"number": number}, serial="row"))
    for _ in range(2):
        await jobs.enqueue(NewJob("note", {"number": 3}, unique="three"))
    await jobs.enqueue(NewJob("note", {"number": 4}, priority=9))
    await jobs.work_off()
    assert order == [4, 1, 3], "2 waits for 1"
    site.clock.forward(timedelta(seconds=15))
    await jobs.work_off()
    assert order == [4, 1, 3, 1, 2]


async def test_a_queue_has_its_limit_and_holds_up_no_other(site: TestSite) -> None:
    most, now = 0, 0
    gate, fast = asyncio.Event(), asyncio.Event()

    async def narrow(run: JobRun) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await gate.wait()
        now -= 1

    async def other(run: JobRun) -> None:
        fast.set()

    kinds = (JobKind("narrow", "Narrow", narrow, queue="n", at_once=2), JobKind("other", "Other", other, queue="o"))
    with_kinds(site, *kinds)
    for _ in range(4):
        await site.kernel.enqueue(NewJob("narrow"))
    await site.kernel.enqueue(NewJob("other"))
    site.kernel.jobs.start(8)
    await asyncio.wait_for(fast.wait(), 10)
    gate.set()
    for _ in range(500):
        if [state for state, _ in await states(site)].count("done") == 5:
            break
        await asyncio.sleep(0.02)
    await site.kernel.jobs.stop(5)
    assert most == 2


async def test_what_is_done_by_itself_is_asked_for_once_by_all_processes(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings, site.clock)
    try:
        for kernel in (site.kernel, other, site.kernel):
            await kernel.jobs._upkeep()
    finally:
        await other.close()
    found = await site.kernel.jobs.table.page(Wanted(kind="jobs.tidy"))
    assert [job.run_at - site.clock() for job in found] == [timedelta(minutes=7)], "the clock shows nine"
    site.clock.forward(timedelta(minutes=7))
    assert await site.kernel.jobs.work_off() == 1
    await site.kernel.jobs._upkeep()
    assert len(await site.kernel.jobs.table.waiting("jobs.tidy")) == 1
    site.clock.forward(timedelta(days=8))
    await site.kernel.jobs.work_off()
    assert [j.state for j in await site.kernel.jobs.table.page(Wanted(kind="jobs.tidy"))] == ["done"], "old ones go"


async def test_sleeping_costs_no_attempt_and_steps_are_done_once(site: TestSite) -> None:
    calls: list[str] = []

    async def steps(run: JobRun) -> None:
        async def call() -> str:
            calls.append(run.key("call"))
            return "answer"

        assert await run.step("call", call) == "answer"
        await run.sleep("nap", timedelta(hours=1))
        await run.progress(1, 1, "done")

    with_kinds(site, JobKind("steps", "Steps", steps, attempts=1))
    id = await site.kernel.enqueue(NewJob("steps"))
    await site.kernel.catch_up()
    assert await states(site) == [("waiting", 0)]
    site.clock.forward(timedelta(hours=1))
    await site.kernel.catch_up()
    assert await states(site) == [("done", 1)]
    assert calls == [f"{id}:call"]


async def test_a_hopeless_one_is_not_tried_again_and_an_unknown_kind_is_refused(site: TestSite) -> None:
    async def hopeless(run: JobRun) -> None:
        raise xrm.Hopeless("There is no such address.")

    with_kinds(site, JobKind("hopeless", "Hopeless", hopeless))
    await site.kernel.enqueue(NewJob("hopeless"))
    await site.kernel.catch_up()
    (job,) = await site.kernel.jobs.table.page(Wanted())
    assert (job.state, job.error) == ("failed", "There is no such address.")
    with pytest.raises(KeyError):
        await site.kernel.enqueue(NewJob("nothing"))


async def test_one_that_kills_its_process_each_time_is_a_dead_letter_too(site: TestSite) -> None:
    class Killed(BaseException):
        pass

    async def deadly(run: JobRun) -> None:
        raise Killed

    with_kinds(site, JobKind("deadly", "Deadly", deadly, attempts=2))
    await site.kernel.enqueue(NewJob("deadly"))
    for _ in range(2):
        with pytest.raises(Killed):
            await site.kernel.catch_up()
        site.clock.forward(LEASE + timedelta(seconds=1))
    assert await site.kernel.catch_up() == 0
    assert await states(site) == [("failed", 2)]


async def test_another_process_does_what_this_one_asks_for(site: TestSite) -> None:
    other = await Kernel.open(site.kernel.settings, site.clock)
    other.watch()
    try:
        other.jobs.start(2)
        await asyncio.sleep(0.5)
        site.kernel.watch()
        await site.system.create("order", {"name": "a"})
        for _ in range(200):
            if await bills(site) == ["a"]:
                break
            await asyncio.sleep(0.05)
    finally:
        await other.close()
    assert await bills(site) == ["a"]


async def test_the_doctor_finds_what_is_stuck(site: TestSite) -> None:
    async def hopeless(run: JobRun) -> None:
        raise xrm.Hopeless("No.")

    with_kinds(site, JobKind("hopeless", "Hopeless", hopeless), JobKind("lost", "Lost", hopeless))
    jobs = site.kernel.jobs
    assert await find_stuck(jobs, site.clock()) == []
    await site.kernel.enqueue(NewJob("hopeless"))
    await jobs.work_off()
    await site.kernel.enqueue(NewJob("lost"))
    site.clock.forward(timedelta(hours=1))
    assert [(i.path, i.code) for i in await find_stuck(jobs, site.clock())] == [
        ("hopeless", "jobs_failed"),
        ("lost", "jobs_late"),
    ]
    jobs._builtin = tuple(kind for kind in jobs._builtin if kind.name != "lost")
    jobs._kinds = (-1, {})
    assert [i.code for i in await find_stuck(jobs, site.clock())] == ["jobs_failed", "jobs_unknown"]
