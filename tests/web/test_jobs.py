"""The page of jobs: for whoever runs the site, with what failed and why, and a button to start it anew."""

from __future__ import annotations

import re
from typing import Any

from tests.web.conftest import text_of
from xrm.kernel.jobs.kind import Hopeless, JobKind, NewJob


async def _fails(run: Any) -> None:
    raise Hopeless("There is no such printer.")


async def test_a_dead_letter_is_shown_and_started_anew(pages):
    jobs = pages.site.kernel.jobs
    jobs._builtin, jobs._kinds = (*jobs._builtin, JobKind("print", "Print a list", _fails)), (-1, {})
    id = await jobs.enqueue(NewJob("print"))
    await jobs.work_off()
    page = await pages.get("/jobs", "admin")
    shown = text_of(page)
    assert "0 waiting · 0 running · 1 failed" in shown
    assert "Print a list failed" in shown
    assert "There is no such printer." in shown
    csrf = re.search(r'name="_csrf" value="([^"]+)"', page.text)
    done = await pages.post(f"/jobs/{id}/retry", {"_csrf": csrf[1]}, "admin")
    assert done.headers["location"] == "/jobs"
    assert "1 waiting · 0 running · 0 failed" in text_of(await pages.get("/jobs", "admin"))
    ended = await pages.post(f"/jobs/{id}/cancel", {"_csrf": csrf[1]}, "admin")
    assert ended.status_code == 303
    assert "cancelled" in text_of(await pages.get("/jobs?state=cancelled", "admin"))


async def test_there_is_no_such_page_for_others(pages):
    assert (await pages.get("/jobs")).status_code == 404
    assert 'href="/jobs"' not in (await pages.get("/")).text
    assert (await pages.get("/jobs?state=odd", "admin")).status_code == 400
    assert (await pages.get("/jobs?after=x", "admin")).status_code == 400


async def test_pages_say_that_nothing_can_be_changed_for_now(pages):
    assert "Nothing can be changed" not in text_of(await pages.get("/"))
    await pages.site.kernel.make_read_only("A backup is put back.")
    assert "Nothing can be changed for now. A backup is put back." in text_of(await pages.get("/"))
    await pages.site.kernel.make_writable()
    assert "Nothing can be changed" not in text_of(await pages.get("/"))
