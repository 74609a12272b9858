"""Set-up, invitations and new passwords by links that can be used once; mailed by a real SMTP server."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller

from tests.builtin.people.conftest import FILES
from tests.stories.serving import free_port
from xrm.builtin.people.accounts import Client
from xrm.builtin.people.links import INVITATION, PASSWORD, SETUP
from xrm.errors import Forbidden, Invalid, NotFound, TooManyRequests, Unauthenticated
from xrm.testing import make_site

WORD = "a long enough one"
HOME = Client("192.0.2.1", "Browser")


def token_of(url: str) -> str:
    assert url.startswith("https://crm.example/"), url
    return url.rpartition("/")[2]


@pytest.fixture
async def site(tmp_path, database_url):
    async with make_site(tmp_path, database_url, FILES, base_url="https://crm.example/") as made:
        yield made


async def test_a_new_site_is_set_up_once(site):
    links = site.accounts.links
    first, second = await links.set_up(), await links.set_up()
    assert first != second  # of two processes that start, each prints one; both are good
    with pytest.raises(Invalid) as refused:
        await links.begin(token_of(first), "", "nonsense", "short")
    assert {i.path for i in refused.value.issues} == {"name", "email", "password"}
    assert await site.system.list("user") == await site.system.list("user", "false")
    assert (await links.look(SETUP, token_of(first))).user is None
    user = await links.begin(token_of(first), "Ann", "Ann@Example.com", WORD)
    token, _ = await site.accounts.sign_in("ann@example.com", WORD, HOME)
    actor = await site.accounts.session(token)
    assert (actor.id, actor.roles) == (user, {"admin"})
    assert await links.set_up() == ""
    for used in (first, second):
        with pytest.raises(NotFound):
            await links.begin(token_of(used), "Eve", "eve@example.com", WORD)


async def test_of_many_who_use_one_link_at_once_one_wins(site):
    token = token_of(await site.accounts.links.set_up())
    tries = [site.accounts.links.begin(token, "Ann", f"ann{n}@example.com", WORD) for n in range(5)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(f, BaseException) for f in found) == 1
    assert all(isinstance(f, NotFound) for f in found if isinstance(f, BaseException))
    assert len((await site.system.list("user")).records) == 1


async def test_a_link_ends_at_its_time_and_is_kept_as_a_hash(site):
    token = token_of(await site.accounts.links.set_up())
    rows = [str(cell) for row in await site.kernel.store.fetch('SELECT * FROM "xrm_link"') for cell in row]
    assert not any(token in cell for cell in rows)
    site.clock.forward(timedelta(hours=25))
    with pytest.raises(NotFound):
        await site.accounts.links.look(SETUP, token)


async def test_an_invited_user_chooses_a_password(site):
    admin, ann = await site.person("Admin", "admin"), await site.person("Ann", "clerk")
    handed = await site.accounts.links.hand(admin, ann.id)
    assert handed.purpose == INVITATION
    token = token_of(handed.url)
    assert (await site.accounts.links.look(INVITATION, token)).email == "ann@example.com"
    for wrong in (PASSWORD, SETUP):
        with pytest.raises(NotFound):
            await site.accounts.links.look(wrong, token)
    with pytest.raises(Invalid):
        await site.accounts.links.choose(INVITATION, token, "ann@example.com")
    await site.accounts.links.choose(INVITATION, token, WORD)
    await site.accounts.sign_in("ann@example.com", WORD, HOME)
    with pytest.raises(NotFound):
        await site.accounts.links.choose(INVITATION, token, "another long one")


async def test_a_new_password_by_link_ends_sessions_and_other_links(site):
    admin, ann = await site.person("Admin", "admin"), await site.person("Ann", "clerk")
    await site.accounts.set_password(ann.id, WORD)
    session, _ = await site.accounts.sign_in("ann@example.com", WORD, HOME)
    one, two = [await site.accounts.links.hand(admin, ann.id) for _ in range(2)]
    assert one.purpose == PASSWORD
    await site.accounts.links.choose(PASSWORD, token_of(one.url), "another long one")
    assert await site.accounts.session(session) is None
    with pytest.raises(NotFound):
        await site.accounts.links.choose(PASSWORD, token_of(two.url), "a third long one")
    with pytest.raises(Unauthenticated):
        await site.accounts.sign_in("ann@example.com", WORD, HOME)


async def test_only_who_looks_after_a_user_makes_links_for_them(site):
    admin, ann = await site.person("Admin", "admin"), await site.person("Ann", "clerk")
    keeper = await site.person("Keeper", "keeper")
    for actor, user in ((ann, admin), (keeper, admin), (keeper, ann)):
        with pytest.raises(Forbidden):
            await site.accounts.links.hand(actor, user.id)
    secret, _ = await site.accounts.api_keys.create(admin, admin.id, "Robot")
    with pytest.raises(Forbidden):
        await site.accounts.links.hand(await site.accounts.key(secret), ann.id)


async def test_a_link_of_who_is_no_longer_active_is_worthless(site):
    admin, ann = await site.person("Admin", "admin"), await site.person("Ann", "clerk")
    token = token_of((await site.accounts.links.hand(admin, ann.id)).url)
    await site.system.update("user", ann.id, {"active": False})
    with pytest.raises(NotFound):
        await site.accounts.links.choose(INVITATION, token, WORD)
    with pytest.raises(NotFound):
        await site.accounts.links.hand(admin, ann.id)


# --- by mail ----------------------------------------------------------------------------------------------------------


class Mailbox:
    def __init__(self) -> None:
        self.letters = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        if "refused" in envelope.rcpt_tos[0]:
            return "550 no"
        self.letters.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@pytest.fixture
async def box():
    mailbox = Mailbox()
    mailbox.port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
async def mailing(tmp_path, database_url, box):
    settings = {
        "base_url": "https://crm.example",
        "smtp": f"smtp://127.0.0.1:{box.port}",
        "mail_from": "Acme <crm@acme.example>",
    }
    async with make_site(tmp_path, database_url, FILES, title="Acme", **settings) as made:
        yield made


async def test_an_invitation_is_mailed_and_not_shown(mailing, box):
    admin, ann = await mailing.person("Admin", "admin"), await mailing.person("Ann", "clerk")
    handed = await mailing.accounts.links.hand(admin, ann.id)
    assert (handed.url, handed.problem) == ("", "")
    ((to, letter),) = box.letters
    assert to == ["ann@example.com"]
    assert (letter["From"], letter["Subject"]) == ("Acme <crm@acme.example>", "Your invitation to Acme")
    assert letter["Message-ID"].endswith("@acme.example>")
    url = re.search(r"https://\S+", letter.get_content())[0]
    await mailing.accounts.links.choose(INVITATION, token_of(url), WORD)
    await mailing.accounts.sign_in("ann@example.com", WORD, HOME)


async def test_a_link_the_server_does_not_take_is_shown(mailing, box):
    admin, ann = await mailing.person("Admin", "admin"), await mailing.person("Refused", "clerk")
    handed = await mailing.accounts.links.hand(admin, ann.id)
    assert handed.url.startswith("https://crm.example/invitation/")
    assert "did not take" in handed.problem


async def test_who_forgot_a_password_gets_a_link_and_strangers_learn_nothing(mailing, box):
    ann = await mailing.person("Ann", "clerk")
    await mailing.accounts.set_password(ann.id, WORD)
    for email in ("nobody@example.com", "", "\x00@example.com", "ann@example.com\r\nBcc: eve@example.com"):
        await mailing.accounts.links.forgot(email, HOME)
    await mailing.accounts.links.close()
    assert box.letters == []
    await mailing.accounts.links.forgot(" Ann@example.com", HOME)
    await mailing.accounts.links.close()
    ((to, letter),) = box.letters
    assert to == ["Ann@example.com"]
    url = re.search(r"https://\S+", letter.get_content())[0]
    await mailing.accounts.links.choose(PASSWORD, token_of(url), "another long one")
    for _ in range(5):
        await mailing.accounts.links.forgot("ann@example.com", HOME)
    with pytest.raises(TooManyRequests):
        await mailing.accounts.links.forgot("bob@example.com", HOME)
