"""The paths for whoever runs the site: its jobs."""

from __future__ import annotations

from xrm.api.openapi.parts import (
    MOMENT,
    TEXT,
    UUID,
    WHOLE,
    Json,
    json_answer,
    many,
    obj,
    operation,
    or_null,
    query_parameter,
)
from xrm.kernel.jobs.kind import STATES

_JOBS = "Jobs"
_STATE: Json = {"enum": list(STATES)}


def operating_paths() -> Json:
    """Return the paths of jobs."""
    job = _job()
    after = query_parameter("after", "`next` of the page before.", UUID)
    named = (
        query_parameter("state", "Only those in this state.", _STATE),
        query_parameter("kind", "Only those of this kind.", TEXT),
        query_parameter("limit", "How many.", {"type": "integer", "minimum": 0, "maximum": 200}),
        after,
    )
    page = obj({"jobs": many(job), "next": or_null(UUID)}, ("jobs", "next"))
    one = {"200": json_answer("The job.", job)}
    return {
        "/api/jobs": {
            "get": operation(
                "jobs", "Jobs, the newest first", _JOBS, {"200": json_answer("They.", page)}, parameters=named
            )
        },
        "/api/jobs/{id}": {"get": operation("job", "One job", _JOBS, one, parameters=("id",))},
        "/api/jobs/{id}/retry": {"post": operation("retry_job", "Start a job anew", _JOBS, one, parameters=("id",))},
        "/api/jobs/{id}/cancel": {"post": operation("cancel_job", "End a job", _JOBS, one, parameters=("id",))},
    }


def _job() -> Json:
    shown = {
        "id": UUID,
        "kind": TEXT,
        "title": TEXT,
        "state": _STATE,
        "attempts": WHOLE,
        "run_at": MOMENT,
        "done": WHOLE,
        "total": {**WHOLE, "description": "0 = not known."},
        "note": or_null(TEXT),
        "error": or_null(TEXT),
        "created_at": MOMENT,
        "finished_at": or_null(MOMENT),
    }
    return obj(shown, tuple(shown))
