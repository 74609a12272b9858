"""Second factors: codes of an app, each good once; recovery codes; roles that need one."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.builtin.people.conftest import FILES
from xrm.builtin.people.accounts import WITHHELD, Client
from xrm.builtin.people.attempts import PER_PAIR
from xrm.builtin.people.factors import SecondFactorNeeded
from xrm.errors import Conflict, Forbidden, Invalid, TooManyRequests, Unauthenticated
from xrm.testing import make_site

HOME = Client("192.0.2.1", "Browser")
PASSWORD = "a long enough one"
GUARDED = """
role: keeper
title: Keeper of the users
mfa: required
grants:
  - {entity: user, actions: [read, update]}
capabilities: [users.edit]
"""


@pytest.fixture
async def site(tmp_path, database_url):
    files = {"entities/roles.yaml": FILES["entities/roles.yaml"].split("---")[0], "entities/keeper.yaml": GUARDED}
    async with make_site(tmp_path, database_url, files) as made:
        yield made


@pytest.fixture
async def ann(site):
    actor = await site.person("Ann", "clerk", "keeper")
    await site.accounts.set_password(actor.id, PASSWORD)
    return actor


def code_at(secret, moment):
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(moment.timestamp())).decode()


async def enrol(site, actor):
    begun = site.accounts.factors.begin(actor)
    codes = await site.accounts.factors.confirm(actor, begun.pending, code_at(begun.secret, site.clock()))
    site.clock.forward(timedelta(seconds=60))
    return begun.secret, codes


async def sign_in(site, code=""):
    token, session = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME, code)
    return await site.accounts.session(token), session


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")]
)
async def test_codes_are_those_of_the_standard(site, seconds, code):
    site.clock.now = datetime.fromtimestamp(seconds, UTC)  # RFC 6238, appendix B
    secret = base64.b32encode(b"12345678901234567890").decode()
    assert site.accounts.factors._step_of(secret, code) == seconds // 30
    assert site.accounts.factors._step_of(secret, code[:3] + " " + code[3:]) is not None
    for wrong in ("", "0", code + "0", "\uff10\uff10\uff15\uff19\uff12\uff14", "\ud800"):
        assert site.accounts.factors._step_of(secret, wrong) is None


async def test_with_an_app_the_password_alone_lets_nobody_in(site, ann):
    before, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME)
    secret, _ = await enrol(site, ann)
    assert await site.accounts.session(before) is None  # the privilege changed: a fresh session
    with pytest.raises(SecondFactorNeeded) as needed:
        await sign_in(site)
    assert secret not in str(needed.value.details)
    with pytest.raises(Unauthenticated):
        await sign_in(site, "000000")
    actor, session = await sign_in(site, code_at(secret, site.clock()))
    assert (actor.mfa, session.mfa) == (True, True)
    site.clock.forward(timedelta(seconds=30))
    token, _ = await site.accounts.finish(needed.value.details["pending"], code_at(secret, site.clock()), HOME)
    assert (await site.accounts.session(token)).mfa
    rows = [str(cell) for row in await site.kernel.store.fetch('SELECT * FROM "xrm_factor"') for cell in row]
    assert not any(secret in cell for cell in rows)


async def test_a_code_is_good_once_also_for_two_at_once(site, ann):
    secret, _ = await enrol(site, ann)
    code = code_at(secret, site.clock())
    found = await asyncio.gather(*(sign_in(site, code) for _ in range(4)), return_exceptions=True)
    assert sum(not isinstance(f, BaseException) for f in found) == 1
    with pytest.raises(Unauthenticated):
        await sign_in(site, code_at(secret, site.clock() - timedelta(seconds=30)))  # an earlier one is used up too
    site.clock.forward(timedelta(seconds=30))
    with pytest.raises(Unauthenticated):
        await sign_in(site, code)


async def test_guessing_codes_is_slowed_down(site, ann):
    secret, _ = await enrol(site, ann)
    for number in range(PER_PAIR):
        with pytest.raises(Unauthenticated):
            await sign_in(site, f"00000{number}")
    with pytest.raises(TooManyRequests):
        await sign_in(site, code_at(secret, site.clock()))


async def test_a_recovery_code_lets_in_once(site, ann):
    _, codes = await enrol(site, ann)
    assert len(set(codes)) == 10
    assert (await sign_in(site, codes[0].upper()))[0].mfa
    with pytest.raises(Unauthenticated):
        await sign_in(site, codes[0])
    assert (await sign_in(site, codes[1].replace("-", " ")))[0].mfa
    assert await site.accounts.factors.recovery_left(ann.id) == 8
    with pytest.raises(Invalid):
        await site.accounts.factors.renew_codes(ann, codes[0], HOME)
    fresh = await site.accounts.factors.renew_codes(ann, codes[2], HOME)
    with pytest.raises(Unauthenticated):
        await sign_in(site, codes[3])
    assert (await sign_in(site, fresh[0]))[0].mfa


async def test_what_was_begun_ends_after_a_while_and_is_for_its_user_alone(site, ann):
    bob = await site.person("Bob", "clerk")
    begun = site.accounts.factors.begin(ann)
    code = code_at(begun.secret, site.clock())
    with pytest.raises(Conflict):
        await site.accounts.factors.confirm(bob, begun.pending, code)
    with pytest.raises(Conflict):
        await site.accounts.factors.confirm(ann, "xrm1.forged", code)
    with pytest.raises(Invalid):
        await site.accounts.factors.confirm(ann, begun.pending, "123456" if code != "123456" else "654321")
    await site.accounts.factors.confirm(ann, begun.pending, code)
    with pytest.raises(Conflict):
        await site.accounts.factors.confirm(ann, begun.pending, code)
    with pytest.raises(SecondFactorNeeded) as needed:
        await sign_in(site)
    site.clock.forward(timedelta(minutes=11))
    with pytest.raises(Conflict):
        await site.accounts.finish(needed.value.details["pending"], code_at(begun.secret, site.clock()), HOME)


async def test_a_password_that_was_changed_meanwhile_is_asked_for_anew(site, ann):
    secret, _ = await enrol(site, ann)
    with pytest.raises(SecondFactorNeeded) as needed:
        await sign_in(site)
    await site.accounts.set_password(ann.id, "another long one")
    with pytest.raises(Conflict):
        await site.accounts.finish(needed.value.details["pending"], code_at(secret, site.clock()), HOME)


async def test_a_role_that_needs_a_second_factor_is_in_force_with_one_only(site, ann):
    actor, _ = await sign_in(site)
    assert (actor.roles, actor.user[WITHHELD]) == ({"clerk"}, ("keeper",))
    assert not site.kernel.live.policy.may(actor, "users.edit")
    secret, _ = await enrol(site, ann)
    actor, _ = await sign_in(site, code_at(secret, site.clock()))
    assert actor.roles == {"clerk", "keeper"}
    assert WITHHELD not in actor.user
    await site.accounts.factors.remove(actor, (await _fresh(site, secret)), HOME)
    actor, _ = await sign_in(site)
    assert actor.roles == {"clerk"}


async def test_who_lost_an_app_and_codes_is_helped_by_who_looks_after_them(site, ann):
    secret, _ = await enrol(site, ann)
    token, _ = await site.accounts.sign_in("ann@example.com", PASSWORD, HOME, code_at(secret, site.clock()))
    clerk, admin = await site.person("Clerk", "clerk"), await site.person("Admin", "admin")
    with pytest.raises(Forbidden):
        await site.accounts.factors.reset(clerk, ann.id)
    await site.accounts.factors.reset(admin, ann.id)
    assert await site.accounts.session(token) is None
    assert not (await sign_in(site))[0].mfa


async def _fresh(site, secret):
    site.clock.forward(timedelta(seconds=30))
    return code_at(secret, site.clock())
