"""A newcomer imports an open data set by the mapping files of the repository: every row is accounted for."""

from __future__ import annotations

import csv
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from plugins.demo.open_data import HINT, chinook_fixture, chinook_tables
from xrm.cli import main

pytestmark = pytest.mark.story

ROOT = Path(__file__).parents[2]
FILES = {
    "employees": "user",
    "customers": "party",
    "tracks": "product",
    "invoices": "order",
    "invoice_lines": "order_line",
}


@pytest.fixture
def xrm(database_url, monkeypatch, capsys):
    """Run a command of ``xrm`` on this site with an empty database; return its exit code and its output."""
    monkeypatch.setenv("XRM_DATABASE", database_url)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["--site", str(ROOT), *arguments])
        return code, capsys.readouterr().out

    assert run("apply")[0] == 0
    return run


@pytest.fixture
def folder(xrm, tmp_path):
    """The CSV files of the Chinook shop."""
    try:
        chinook_fixture()
    except FileNotFoundError:
        pytest.fail(f"The open data of this story is missing; {HINT}", pytrace=False)
    assert xrm("samples", str(tmp_path / "data"))[0] == 0
    return tmp_path / "data"


def imported(xrm, folder, name, *options):
    mapping = ROOT / "mappings" / f"chinook_{name}.yaml"
    code, told = xrm("import", FILES[name], str(folder / f"{name}.csv"), "--mapping", str(mapping), "--json", *options)
    report = json.loads(told)
    assert sum(report[n] for n in ("created", "updated", "unchanged", "refused")) == report["read"]
    return code, report


def rows(folder, name):
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exported(xrm, entity, fields):
    _, told = xrm("export", entity, "--format", "json", "--fields", fields)
    return [json.loads(line) for line in told.splitlines()]


def test_a_shop_with_its_history_moves_in(xrm, folder):
    for name in FILES:
        code, report = imported(xrm, folder, name)
        assert (code, report["created"], report["read"]) == (0, len(rows(folder, name)), len(rows(folder, name)))
    customers = {p["number"]: p for p in exported(xrm, "party", "number,name,country,owner")}
    assert len(customers) == 59
    assert customers["CHINOOK-C1"]["name"] == "Luís Gonçalves"
    assert customers["CHINOOK-C4"]["country"] == "NO"
    assert customers["CHINOOK-C2"]["owner"]["label"] == "Steve Johnson"
    staff = {u["name"]: u["manager"] and u["manager"]["label"] for u in exported(xrm, "user", "name,manager")}
    assert (staff["Andrew Adams"], staff["Jane Peacock"]) == (None, "Nancy Edwards")
    expected = {f"CHINOOK-I{i['id']}": Decimal(str(i["total"])) for i in chinook_tables(chinook_fixture())["invoice"]}
    orders = {o["external_number"]: o for o in exported(xrm, "order", "external_number,total,state")}
    assert {number: Decimal(order["total"]["amount"]) for number, order in orders.items()} == expected
    assert Counter(order["state"] for order in orders.values()) == {"paid": 412}


def test_coming_again_changes_nothing_and_a_correction_only_what_it_is_about(xrm, folder):
    for name in ("employees", "customers"):
        imported(xrm, folder, name)
        _, report = imported(xrm, folder, name)
        assert (report["unchanged"], report["read"]) == (len(rows(folder, name)), len(rows(folder, name)))
    path = folder / "customers.csv"
    path.write_text(path.read_text("utf-8").replace("leonekohler@surfeu.de", "leonie.koehler@surfeu.de"), "utf-8")
    _, report = imported(xrm, folder, "customers")
    assert (report["updated"], report["unchanged"]) == (1, 58)


def test_a_rehearsal_tells_and_writes_nothing(xrm, folder):
    code, report = imported(xrm, folder, "employees", "--dry-run")
    assert (code, report["created"]) == (0, 8)
    assert exported(xrm, "user", "name") == []


def test_refused_rows_come_with_their_reason_and_can_be_mended(xrm, folder, tmp_path):
    imported(xrm, folder, "employees")
    path = folder / "customers.csv"
    spoiled = path.read_text("utf-8").replace(",Norway,", ",Norge,").replace("frantisekw@jetbrains.com", "no address")
    path.write_text(spoiled, "utf-8")
    code, report = imported(xrm, folder, "customers", "--errors", str(tmp_path / "refused.csv"))
    assert (code, report["created"], report["refused"]) == (1, 57, 2)
    assert [(p["row"], p["issues"][0]["code"]) for p in report["problems"]] == [(4, "unknown_value"), (5, "not_email")]
    refused = (tmp_path / "refused.csv").read_text("utf-8")
    mended = refused.replace(",Norge,", ",Norway,").replace("no address", "frantisekw@jetbrains.com")
    path.write_text(mended, "utf-8")
    assert imported(xrm, folder, "customers")[1]["created"] == 2
    assert len(exported(xrm, "party", "number")) == 59
