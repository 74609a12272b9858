"""Jobs over HTTP: the site's operators see all, others their own; what failed is started anew, what waits is ended."""

from __future__ import annotations

import pytest

from xrm.kernel.jobs.kind import JobKind, NewJob


async def _fails(run):
    raise RuntimeError("out of paper")


@pytest.fixture
async def jobs(site):
    door = site.kernel.jobs
    door._builtin = (*door._builtin, JobKind("print", "Print a list", _fails, attempts=1))
    door._kinds = (-1, {})
    return door


async def test_an_operator_sees_why_a_job_failed_and_starts_it_anew(callers, jobs):
    admin = await callers.robot("Admin", "admin")
    id = await jobs.enqueue(NewJob("print"))
    await jobs.work_off()
    (job,) = (await admin.get("/api/jobs", params={"state": "failed"})).json()["jobs"]
    assert (job["id"], job["title"], job["attempts"]) == (str(id), "Print a list", 1)
    assert job["error"] == "RuntimeError: out of paper"
    answer = await admin.post(f"/api/jobs/{id}/retry")
    assert answer.json()["state"] == "waiting"
    assert (await admin.post(f"/api/jobs/{id}/cancel")).json()["state"] == "cancelled"
    again = await admin.post(f"/api/jobs/{id}/cancel")
    assert again.status_code == 409


async def test_others_see_the_jobs_they_asked_for_and_may_end_them(callers, jobs, site):
    ann, bob = await callers.robot("Ann", "maker"), await callers.robot("Bob", "maker")
    own = await jobs.enqueue(NewJob("print", actor=site.people["Ann"].id))
    foreign = await jobs.enqueue(NewJob("print"))
    assert [job["id"] for job in (await ann.get("/api/jobs")).json()["jobs"]] == [str(own)]
    assert (await bob.get("/api/jobs")).json() == {"jobs": [], "next": None}
    unknown = "01900000-0000-7000-8000-000000000000"
    answers = [await client.get(f"/api/jobs/{id}") for client, id in ((ann, foreign), (bob, own), (bob, unknown))]
    assert {(a.status_code, a.json()["detail"]) for a in answers} == {(404, "There is no such job.")}
    assert (await bob.post(f"/api/jobs/{own}/cancel")).status_code == 404
    assert (await ann.post(f"/api/jobs/{own}/retry")).status_code == 403
    assert (await ann.post(f"/api/jobs/{own}/cancel")).json()["state"] == "cancelled"


async def test_pages_follow_one_another_and_nonsense_is_refused(callers, jobs):
    admin = await callers.robot("Admin", "admin")
    ids = [str(await jobs.enqueue(NewJob("print"))) for _ in range(3)]
    first = (await admin.get("/api/jobs", params={"limit": 2})).json()
    second = (await admin.get("/api/jobs", params={"limit": 2, "after": first["next"]})).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ids[::-1]
    assert second["next"] is None
    for query in ({"state": "odd"}, {"after": "x"}, {"limit": "-1"}, {"odd": "1"}):
        assert (await admin.get("/api/jobs", params=query)).status_code in (400, 422), query
    assert (await (await callers.anybody()).get("/api/jobs")).status_code == 401


async def test_read_only_refuses_writes_and_answers_reads(callers, site):
    admin = await callers.robot("Admin", "admin")
    made = (await admin.post("/api/machine", json={"name": "Lathe"})).json()
    await site.kernel.make_read_only("A backup is put back.")
    refused = await admin.patch(f"/api/machine/{made['id']}", json={"name": "Mill"}, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (503, "read_only")
    assert refused.json()["detail"] == "A backup is put back."
    assert int(refused.headers["retry-after"]) > 0
    assert (await admin.get(f"/api/machine/{made['id']}")).json()["name"] == "Lathe"
    await site.kernel.make_writable()
    assert (
        await admin.patch(f"/api/machine/{made['id']}", json={"name": "Mill"}, headers={"if-match": '"1"'})
    ).is_success
