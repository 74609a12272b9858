"""Tokens of many requests are looked up together, yet never by a statement older than the request."""

from __future__ import annotations

import asyncio

import pytest

from xrm.builtin.people.rounds import MAX_ASKED, Rounds
from xrm.errors import Unavailable
from xrm.kernel.change import SYSTEM


class Gate:
    """Lets the statements of a store through when it is told to, and counts them."""

    def __init__(self, monkeypatch, store):
        self.open, self.began, self.count, self._fetch = asyncio.Event(), asyncio.Event(), 0, store.fetch
        monkeypatch.setattr(store, "fetch", self.fetch)

    async def fetch(self, text, args=()):
        rows = await self._fetch(text, args)
        self.count += 1
        self.began.set()
        await self.open.wait()
        return rows


async def test_many_requests_cost_few_statements(site, monkeypatch):
    people = [await site.person(f"Clerk {number}", "clerk") for number in range(5)]
    secrets = [(await site.accounts.api_keys.create(SYSTEM, person.id, "Robot"))[0] for person in people]
    gate = Gate(monkeypatch, site.kernel.store)
    gate.open.set()
    asked = [secrets[n % 5] for n in range(50)] + ["xrm_nothing"] * 5
    found = await asyncio.gather(*(site.accounts.key(secret) for secret in asked))
    assert [actor and actor.id for actor in found] == [people[n % 5].id for n in range(50)] + [None] * 5
    assert gate.count <= 2


async def test_what_is_revoked_while_others_are_looked_up_is_refused(site, monkeypatch):
    ann = await site.person("Ann", "clerk")
    secret, key = await site.accounts.api_keys.create(SYSTEM, ann.id, "Robot")
    with monkeypatch.context() as patch:
        gate = Gate(patch, site.kernel.store)
        before = asyncio.create_task(site.accounts.key(secret))
        await gate.began.wait()
    await site.accounts.api_keys.revoke(SYSTEM, key.id)  # the first lookup has its rows, but has not answered
    after = asyncio.create_task(site.accounts.key(secret))
    await asyncio.sleep(0.01)
    gate.open.set()
    assert (await before) is not None
    assert (await after) is None


async def test_who_goes_away_and_what_fails_leaves_the_others_alone():
    asked: list[tuple[int, ...]] = []
    ready = asyncio.Event()

    async def ask(keys):
        asked.append(keys)
        await ready.wait()
        if 13 in keys:
            raise Unavailable("The database is away")
        return {key: key * 2 for key in keys if key != 7}

    rounds = Rounds(ask)
    first = asyncio.create_task(rounds.of(1))
    await asyncio.sleep(0)
    gone, kept, none = (asyncio.create_task(rounds.of(key)) for key in (2, 2, 7))
    await asyncio.sleep(0.001)
    gone.cancel()
    ready.set()
    assert (await first, await kept, await none) == (2, 4, None)
    assert gone.cancelled()
    assert asked == [(1,), (2, 7)]
    failed = await asyncio.gather(rounds.of(13), rounds.of(3), return_exceptions=True)
    assert all(isinstance(error, Unavailable) for error in failed)
    assert await rounds.of(3) == 6
    with pytest.raises(Unavailable):
        await rounds.of(13)
    many = await asyncio.gather(*(rounds.of(key) for key in range(100, 100 + MAX_ASKED * 2)))
    assert many == [key * 2 for key in range(100, 100 + MAX_ASKED * 2)]
    assert max(map(len, asked)) == MAX_ASKED
