"""Sign-in, sessions and API keys, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from xrm.builtin.people.accounts import Accounts, Client
from xrm.builtin.people.attempts import PER_ACCOUNT, PER_NETWORK, PER_PAIR, WAITING
from xrm.errors import Forbidden, Invalid, NotFound, TooManyRequests, Unauthenticated
from xrm.kernel.change import SYSTEM

HOME = Client("192.0.2.1", "Browser")
PASSWORD = "a long enough one"


@pytest.fixture
async def ann(site):
    actor = await site.person("Ann", "clerk", team="North", unit="Sales")
    await site.accounts.set_password(actor.id, PASSWORD)
    return actor


async def test_a_session_tells_who_somebody_is(site, ann):
    token, session = await site.accounts.sign_in(" Ann@Example.com", PASSWORD, HOME)
    actor = await site.accounts.session(token, "form")
    assert actor is not None
    assert (actor.id, actor.name, actor.roles, actor.kind, actor.source) == (ann.id, "Ann", {"clerk"}, "person", "form")
    assert actor.user == ann.user
    assert actor == await site.accounts.actor_for(ann.id, "form")
    assert (session.user, session.client) == (ann.id, "Browser")
    assert await site.accounts.session(token + "x") is None
    assert await site.accounts.key(token) is None


async def test_tokens_are_stored_as_hashes_only(site, ann):
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    secret, _ = await site.accounts.api_keys.create(ann, ann.id, "Robot")
    stored = [
        str(cell)
        for table in ("xrm_session", "xrm_api_key", "xrm_credential")
        for row in await site.kernel.store.fetch(f'SELECT * FROM "{table}"')
        for cell in row
    ]
    assert not any(word in cell for word in (token, secret, PASSWORD) for cell in stored)
    assert hashlib.sha256(token.encode()).hexdigest() in stored


async def test_whatever_is_wrong_the_answer_is_the_same(site, ann):
    idle = await site.person("Idle", "clerk")
    gone = await site.person("Gone", "clerk")
    for actor in (idle, gone):
        await site.accounts.set_password(actor.id, PASSWORD)
    await site.system.update("user", idle.id, {"active": False})
    await site.system.delete("user", gone.id)
    await site.person("New", "clerk")  # never got a password
    answers = set()
    for email, password in (
        ("ann@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("idle@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("new@example.com", PASSWORD),
        ("ann@example.com", PASSWORD + "x" * 300),
        ("", ""),
        ("\x00@example.com", PASSWORD),
    ):
        with pytest.raises(Unauthenticated) as refused:
            await site.accounts.sign_in(email, password, Client(f"192.0.2.{len(answers) + 10}"))
        answers.add(str(refused.value))
    assert len(answers) == 1


async def test_guessing_one_password_is_slowed_down(site, ann):
    for _ in range(PER_PAIR):
        with pytest.raises(Unauthenticated):
            await site.accounts.sign_in("ann@example.com", "wrong password", HOME)
    with pytest.raises(TooManyRequests) as refused:
        await site.accounts.sign_in("ANN@example.com ", PASSWORD, HOME)  # even the right one
    assert 0 < refused.value.details["retry_after"] <= 900
    await site.accounts.sign_in("ann@example.com", PASSWORD, Client("198.51.100.5"))  # she is elsewhere
    site.clock.forward(timedelta(minutes=16))
    await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)


async def test_guessing_from_one_network_or_from_many_is_slowed_down(site, ann, monkeypatch):
    async def no(*_):  # the counting is tested, not the hashing
        return False

    monkeypatch.setattr(site.accounts._passwords, "verify", no)
    for number in range(PER_NETWORK):
        with pytest.raises(Unauthenticated):
            await site.accounts.sign_in(f"user{number}@example.com", "x", Client(f"2001:db8::{number:x}"))
    with pytest.raises(TooManyRequests):
        await site.accounts.sign_in("another@example.com", "x", Client("2001:db8::ffff"))
    for number in range(PER_ACCOUNT):
        with pytest.raises(Unauthenticated):
            await site.accounts.sign_in("ann@example.com", "x", Client(f"203.0.113.{number}"))
    site.accounts.attempts.slow_seconds = 0.05
    began = time.monotonic()
    tries = [site.accounts.sign_in("ann@example.com", "x", Client(f"198.51.100.{n}")) for n in range(WAITING + 5)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(f, TooManyRequests) for f in found) == 5  # more than may wait
    assert sum(isinstance(f, Unauthenticated) for f in found) == WAITING  # one after the other
    assert time.monotonic() - began >= 0.05 * WAITING


async def test_strangers_cannot_lock_somebody_out(site, ann):
    _, session = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    known = Client("192.0.2.1", "Browser", site.accounts.attempts.new_device(session.user))
    site.accounts.attempts.slow_seconds = 30.0  # whoever had to wait would fail this test
    async with asyncio.timeout(20):
        for number in range(PER_ACCOUNT):
            with pytest.raises(Unauthenticated):
                await site.accounts.sign_in("ann@example.com", "x", Client(f"203.0.113.{number}"))
        await site.accounts.sign_in("ann@example.com", PASSWORD, known)
        await site.accounts.sign_in("ann@example.com", PASSWORD, replace(known, address="203.0.113.1"))
    bob = await site.person("Bob", "clerk")
    assert not site.accounts.attempts.is_known(known, bob.id)
    assert not site.accounts.attempts.is_known(Client("192.0.2.1", "", "xrm1.forged"), ann.id)


async def test_a_known_device_has_few_tries_too(site, ann):
    known = Client("192.0.2.1", "Browser", site.accounts.attempts.new_device(ann.id))
    for number in range(PER_PAIR):
        with pytest.raises(Unauthenticated):
            await site.accounts.sign_in("ann@example.com", "x", replace(known, address=f"192.0.2.{number}"))
    with pytest.raises(TooManyRequests):
        await site.accounts.sign_in("ann@example.com", PASSWORD, known)


async def test_processes_count_together_and_a_restart_forgets_nothing(site, ann):
    other = Accounts(site.kernel)
    for accounts in (site.accounts, other, site.accounts, other, site.accounts):
        with pytest.raises(Unauthenticated):
            await accounts.sign_in("ann@example.com", "wrong password", HOME)
    for accounts in (other, Accounts(site.kernel)):
        with pytest.raises(TooManyRequests):
            await accounts.sign_in("ann@example.com", PASSWORD, HOME)
    rows = [str(cell) for row in await site.kernel.store.fetch('SELECT * FROM "xrm_attempt"') for cell in row]
    assert not any("ann" in cell or "192.0.2" in cell for cell in rows)
    await other.close()


async def test_guesses_sent_all_at_once_are_not_more_guesses(site, ann, monkeypatch):
    checked = 0

    async def no(*_):
        nonlocal checked
        checked += 1
        await asyncio.sleep(0.01)
        return False

    monkeypatch.setattr(site.accounts._passwords, "verify", no)
    tries = [site.accounts.sign_in("ann@example.com", f"guess {n}", HOME) for n in range(60)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(f) for f in found} == {Unauthenticated, TooManyRequests}
    assert checked == PER_PAIR


async def test_many_who_sign_in_at_once_from_one_office_are_all_served(site):
    people = [await site.person(f"Clerk {n}", "clerk") for n in range(PER_NETWORK + 5)]
    hashed = await site.accounts.hash(PASSWORD)
    for person in people:
        await site.accounts.put_password(person.id, hashed)
    await asyncio.gather(*(site.accounts.sign_in(p.user["email"], PASSWORD, HOME) for p in people))


async def test_signing_in_well_gives_the_tries_back(site, ann):
    for _ in range(3):
        for _ in range(PER_PAIR - 1):
            with pytest.raises(Unauthenticated):
                await site.accounts.sign_in("ann@example.com", "wrong password", HOME)
        await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)


async def test_each_sign_in_has_a_token_of_its_own(site, ann):
    one, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    two, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    assert one != two
    await site.accounts.sign_out(one)
    assert await site.accounts.session(one) is None
    assert await site.accounts.session(two) is not None


async def test_a_session_ends_when_it_is_not_used_and_after_its_days(site, ann):
    settings = site.kernel.settings
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    site.clock.forward(timedelta(hours=settings.session_hours, seconds=1))
    assert await site.accounts.session(token) is None
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    for _ in range(settings.session_days * 24 // settings.session_hours):
        site.clock.forward(timedelta(hours=settings.session_hours - 0.1))
        assert await site.accounts.session(token) is not None
        await _written(site)
    site.clock.forward(timedelta(hours=settings.session_hours - 0.1))
    assert await site.accounts.session(token) is None


async def test_use_is_written_down_once_a_minute_at_most(site, ann):
    token, session = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    site.clock.forward(timedelta(seconds=59))
    await site.accounts.session(token)
    await _written(site)
    assert (await site.accounts.sessions(ann.id))[0].seen_at == session.seen_at
    site.clock.forward(timedelta(seconds=2))
    await site.accounts.session(token)
    await _written(site)
    assert (await site.accounts.sessions(ann.id))[0].seen_at == site.clock()


async def test_who_is_deactivated_or_deleted_is_out_at_once(site, ann):
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    secret, _ = await site.accounts.api_keys.create(ann, ann.id, "Robot")
    await site.system.update("user", ann.id, {"active": False})
    assert await site.accounts.session(token) is None
    assert await site.accounts.key(secret) is None
    await site.system.update("user", ann.id, {"active": True})
    assert await site.accounts.session(token) is not None
    await site.system.delete("user", ann.id)
    assert await site.accounts.session(token) is None
    assert await site.accounts.key(secret) is None
    assert await site.accounts.actor_for(ann.id) is None


async def test_roles_and_teams_act_with_the_next_request(site, ann):
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    await site.system.update("user", ann.id, {"roles": []})
    south = await site.system.create("team", {"name": "South"})
    await site.system.create("team_member", {"team": south["id"], "member": str(ann.id)})
    actor = await site.accounts.session(token)
    assert actor is not None
    assert actor.roles == frozenset()
    assert len(actor.user["teams"]) == 2


async def test_a_new_password_ends_the_other_sessions(site, ann):
    tokens = [(await site.accounts.sign_in("ann@example.com", PASSWORD, HOME))[0] for _ in range(3)]
    with pytest.raises(Invalid):
        await site.accounts.change_password(ann, "not the present one", "another long one", HOME, tokens[0])
    await site.accounts.change_password(ann, PASSWORD, "another long one", HOME, tokens[0])
    assert [await site.accounts.session(t) is not None for t in tokens] == [True, False, False]
    with pytest.raises(Unauthenticated):
        await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    await site.accounts.set_password(ann.id, PASSWORD)
    assert await site.accounts.sessions(ann.id) == []
    with pytest.raises(NotFound):
        await site.accounts.set_password(uuid4(), PASSWORD)
    with pytest.raises(Invalid):
        await site.accounts.set_password(ann.id, "ann@example.com")


async def test_only_who_may_give_all_roles_of_a_user_may_give_them_a_password(site, ann):
    admin, keeper = await site.person("Admin", "admin"), await site.person("Keeper", "keeper")
    other = await site.person("Other", "keeper")
    with pytest.raises(Forbidden):
        await site.accounts.reset_password(keeper, admin.id, "another long one")
    with pytest.raises(Forbidden):
        await site.accounts.reset_password(keeper, ann.id, "another long one")  # a clerk's role is not the keeper's
    with pytest.raises(Forbidden):
        await site.accounts.reset_password(ann, other.id, "another long one")
    await site.accounts.reset_password(keeper, other.id, "another long one")
    await site.accounts.reset_password(admin, ann.id, "another long one")
    await site.accounts.sign_in("ann@example.com", "another long one", HOME)


async def test_an_api_key_is_shown_once_and_works_until_it_is_revoked(site, ann):
    secret, key = await site.accounts.api_keys.create(ann, ann.id, " Robot ")
    actor = await site.accounts.key(secret)
    assert actor is not None
    assert (actor.id, actor.kind) == (ann.id, "integration")
    assert [(k.title, k.prefix) for k in await site.accounts.api_keys.list(ann.id)] == [("Robot", secret[:10])]
    bob = await site.person("Bob", "clerk")
    with pytest.raises(NotFound):
        await site.accounts.api_keys.revoke(bob, key.id)
    await site.accounts.api_keys.revoke(ann, key.id)
    assert await site.accounts.key(secret) is None
    with pytest.raises(NotFound):
        await site.accounts.api_keys.revoke(ann, key.id)


async def test_an_api_key_ends_at_its_time(site, ann):
    secret, _ = await site.accounts.api_keys.create(ann, ann.id, "Robot", site.clock() + timedelta(days=1))
    site.clock.forward(timedelta(hours=23))
    assert await site.accounts.key(secret) is not None
    await _written(site)
    site.clock.forward(timedelta(hours=2))
    assert await site.accounts.key(secret) is None
    with pytest.raises(Invalid):
        await site.accounts.api_keys.create(ann, ann.id, "", site.clock())


async def test_an_api_key_cannot_make_another_or_a_password(site, ann):
    secret, _ = await site.accounts.api_keys.create(ann, ann.id, "Robot")
    robot = await site.accounts.key(secret)
    with pytest.raises(Forbidden):
        await site.accounts.api_keys.create(robot, ann.id, "Offspring")
    with pytest.raises(Forbidden):
        await site.accounts.change_password(robot, PASSWORD, "another long one", HOME)
    bob = await site.person("Bob", "clerk")
    with pytest.raises(Forbidden):
        await site.accounts.api_keys.create(ann, bob.id, "For Bob")
    await site.accounts.api_keys.create(SYSTEM, bob.id, "For Bob")


async def test_one_ends_ones_own_sessions_only(site, ann):
    bob = await site.person("Bob", "clerk")
    token, session = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    with pytest.raises(NotFound):
        await site.accounts.end_session(bob.id, session.id)
    assert await site.accounts.session_id(token) == session.id
    await site.accounts.end_session(ann.id, session.id)
    assert await site.accounts.session(token) is None


async def _written(site) -> None:
    for task in list(site.accounts._touches.values()):
        await task
