"""Imports in the background: a job per file, in chunks, with the refused rows kept to be mended."""

from __future__ import annotations

from datetime import timedelta

from xrm.builtin.imports.background import KIND, bring_in, forget_old
from xrm.kernel.hooks import hookimpl
from xrm.kernel.jobs.kind import JobKind


@hookimpl
def jobs() -> list[JobKind]:
    """Return the kinds of jobs."""
    return [
        JobKind(KIND, "Import a file", bring_in, queue=KIND, at_once=2, attempts=20),
        JobKind(
            "imports.forget",
            "Forget the refused rows of old imports",
            forget_old,
            every=timedelta(days=1),
            after=timedelta(hours=2, minutes=40),
        ),
    ]
