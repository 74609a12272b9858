"""Metrics: counts by route and status, for this machine or a token only; no path and no value gets in."""

from __future__ import annotations

import httpx
import pytest

from xrm.api import create_api
from xrm.kernel.jobs.kind import NewJob
from xrm.testing import make_site

TOKEN = "t" * 32


async def ask(app, address, **headers):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 1)), base_url="http://test"
    ) as client:
        return await client.get("/metrics", headers=headers)


async def test_it_counts_requests_jobs_and_connections(callers, site):
    admin = await callers.robot("Admin", "admin")
    await admin.get("/api/machine")
    await admin.get("/api/machine/secret-name")
    await site.kernel.jobs.enqueue(NewJob("jobs.tidy"))
    answer = await ask(callers.app, "127.0.0.1")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert lines['xrm_requests_total{method="GET",route="/api/{entity}",status="200"}'] == "1"
    assert lines['xrm_request_seconds_count{method="GET",route="/api/{entity}"}'] == "1"
    assert lines['xrm_request_seconds_bucket{method="GET",route="/api/{entity}",le="+Inf"}'] == "1"
    assert lines['xrm_jobs{kind="jobs.tidy",state="waiting"}'] == "1"
    assert lines["xrm_generation"] == "1"
    assert int(lines["xrm_connections"]) >= 1
    assert "secret-name" not in answer.text


async def test_nobody_else_may_read_them(lite_callers):
    assert (await ask(lite_callers.app, "192.0.2.1")).status_code == 404
    assert (await ask(lite_callers.app, "127.0.0.1", **{"x-forwarded-for": "192.0.2.1"})).status_code == 404


@pytest.mark.parametrize(("given", "status"), [(f"Bearer {TOKEN}", 200), ("Bearer no", 404), ("", 404)])
async def test_a_token_is_needed_where_one_is_set(tmp_path, given, status):
    async with make_site(
        tmp_path, f"sqlite:///{tmp_path}/s.db", {}, metrics_token=TOKEN, allowed_hosts=("test",)
    ) as site:
        assert (await ask(create_api(site.site), "127.0.0.1", authorization=given)).status_code == status
