"""Waiting that a cancellation does not cut short."""

from __future__ import annotations

import asyncio

import pytest

from xrm.kernel.store.waiting import finish


async def test_work_goes_on_to_its_end_however_often_its_caller_is_cancelled():
    ended = []

    async def work():
        await asyncio.sleep(0.05)
        ended.append(True)

    task = asyncio.create_task(finish(work()))
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_the_outcome_is_handed_on():
    async def good():
        return 5

    async def bad():
        raise KeyError

    assert await finish(good()) == 5
    with pytest.raises(KeyError):
        await finish(bad())


async def test_cancelled_work_that_fails_raises_the_cancellation():
    async def work():
        await asyncio.sleep(0.02)
        raise KeyError

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
