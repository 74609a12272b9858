"""Many records in one request."""

from __future__ import annotations

import pytest

from tests.api.conftest import digest


@pytest.fixture
async def maker(callers):
    return await callers.robot("Maker", "maker")


async def made(client, *names):
    answer = await client.post("/api/machine/bulk", json={"create": [{"name": name} for name in names]})
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["create"]]


async def test_all_rows_make_one_change_set(callers, maker):
    one, two = await made(maker, "One", "Two")
    answer = await maker.post(
        "/api/machine/bulk",
        json={
            "create": [{"name": "Three"}],
            "update": [{"id": one, "version": 1, "name": "Uno"}],
            "delete": [{"id": two, "version": 1}],
        },
    )
    body = answer.json()
    assert [[row["status"] for row in body[kind]] for kind in ("create", "update", "delete")] == [[201], [200], [204]]
    names = [r["name"] for r in (await maker.get("/api/machine?sort=name")).json()["records"]]
    assert names == ["Three", "Uno"]
    rows = await callers.site.kernel.store.fetch('SELECT count(DISTINCT "changeset") FROM "xrm_change"')
    assert rows[0][0] == 3  # the user, the first request, the second


async def test_atomic_is_all_or_none_and_says_what_is_wrong_with_each_row(callers, maker):
    (one,) = await made(maker, "One")
    before = await digest(callers.site)
    answer = await maker.post(
        "/api/machine/bulk",
        json={
            "create": [{"name": "Two"}, {"name": "Three", "power": "much", "kind": "saw"}, {"serial": "X"}],
            "update": [{"id": one, "version": 4, "name": "Uno"}, {"id": one, "name": "Uno"}],
        },
    )
    assert answer.status_code == 422
    assert {(i["path"], i["code"]) for i in answer.json()["issues"]} == {
        ("create.1.power", "not_integer"),
        ("create.1.kind", "not_a_choice"),
        ("create.2.name", "required"),
        ("update.0", "version_mismatch"),
        ("update.1", "version_required"),
    }
    assert await digest(callers.site) == before


async def test_partial_keeps_what_is_good(callers, maker):
    answer = await maker.post(
        "/api/machine/bulk",
        json={
            "mode": "partial",
            "create": [
                {"name": "One", "serial": "S"},
                {"name": "Twin", "serial": "S"},
                {"power": 1},
                {"name": "Four"},
            ],
        },
    )
    rows = answer.json()["create"]
    assert [row["status"] for row in rows] == [201, 409, 422, 201]
    assert rows[1]["issues"][0]["code"] == "not_unique"
    assert rows[2]["issues"][0]["path"] == "name"
    names = [r["name"] for r in (await maker.get("/api/machine?sort=name")).json()["records"]]
    assert names == ["Four", "One"]


async def test_a_part_whose_first_row_fails_still_has_its_change_set(callers, maker):
    await maker.post("/api/machine/bulk", json={"mode": "partial", "create": [{"power": 1}, {"name": "Two"}]})
    loose = await callers.site.kernel.store.fetch(
        'SELECT count(*) FROM "xrm_change" c LEFT JOIN "xrm_changeset" s ON s."id" = c."changeset" WHERE s."id" IS NULL'
    )
    assert loose[0][0] == 0


async def test_rows_of_others_are_not_there(callers, maker):
    other = await callers.robot("Other", "maker")
    (theirs,) = await made(other, "Theirs")
    answer = await maker.post(
        "/api/machine/bulk",
        json={
            "mode": "partial",
            "update": [{"id": theirs, "version": "*", "name": "Mine"}],
            "delete": [{"id": theirs, "version": "*"}, {"id": "nothing", "version": 1}],
        },
    )
    body = answer.json()
    assert [row["status"] for row in body["update"] + body["delete"]] == [404, 404, 404]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"create": []},
        {"create": [{"name": "x"}] * 1001},
        {"mode": "some", "create": [{"name": "x"}]},
        {"create": {"name": "x"}},
        {"create": ["x"]},
        {"insert": [{"name": "x"}]},
        {"create": [{"name": "x"}], "mode": None},
    ],
)
async def test_what_is_no_bulk_request_is_refused(lite_callers, body):
    maker = await lite_callers.robot("Maker", "maker")
    before = await digest(lite_callers.site)
    assert (await maker.post("/api/machine/bulk", json=body)).status_code == 400
    assert await digest(lite_callers.site) == before


async def test_rows_named_by_a_key_are_changed_or_created(callers, maker):
    await maker.post("/api/machine", json={"name": "One", "serial": "S1", "power": 1})
    rows = [
        {"by": {"serial": "S1"}, "power": 5},
        {"by": {"serial": "S2"}, "name": "Two"},
        {"by": {"serial": "S2"}, "power": 2},
    ]
    answer = await maker.post("/api/machine/bulk", json={"upsert": rows})
    assert [row["status"] for row in answer.json()["upsert"]] == [200, 201, 200], answer.text
    found = (await maker.get("/api/machine?sort=serial&fields=name,serial,power")).json()["records"]
    assert [(r["name"], r["serial"], r["power"]) for r in found] == [("One", "S1", 5), ("Two", "S2", 2)]
    bad = [{"serial": "S3"}, {"by": {"name": "One"}}, {"by": {"serial": "S4"}}]
    mixed = (await maker.post("/api/machine/bulk", json={"mode": "partial", "upsert": bad})).json()["upsert"]
    assert [row["issues"][0]["code"] for row in mixed] == ["not_a_key", "not_unique_key", "required"]


async def test_rows_of_older_versions_are_merged_or_tell_the_conflict(callers, maker):
    (one,) = await made(maker, "One")
    await maker.patch(f"/api/machine/{one}", json={"power": 3}, headers={"if-match": '"1"'})
    rows = [{"id": one, "version": 1, "name": "Uno"}, {"id": one, "version": 1, "power": 9}]
    verdicts = (await maker.post("/api/machine/bulk", json={"mode": "partial", "update": rows})).json()["update"]
    assert [row["status"] for row in verdicts] == [200, 412]
    assert [verdicts[1]["conflicts"][0][n] for n in ("field", "base", "theirs", "yours")] == ["power", None, 3, 9]
