"""An import as a job: chunk by chunk, each one act together with how far it is; a killed one goes on after the last."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import UUID

from xrm.builtin.imports.refused import Refused, forget
from xrm.builtin.people.acting import actor_of
from xrm.builtin.transfer.importing import CHUNK, OUTCOMES, Import, Verdict
from xrm.builtin.transfer.layout import detect
from xrm.builtin.transfer.mapping import ImportMapping, load_mapping
from xrm.builtin.transfer.reading import Row, Table, open_table
from xrm.builtin.transfer.suggest import mapping_data
from xrm.errors import Forbidden, NotFound, StorageFull, Unavailable, XrmError
from xrm.kernel.change import Actor, uuid7
from xrm.kernel.fieldtypes.files import StoredFile
from xrm.kernel.jobs.kind import Hopeless, Job, NewJob
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.kernel import Kernel

KIND = "imports.run"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is, as its job remembers it."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0

    @classmethod
    def of(cls, job: Job) -> Progress:
        """Return that of a job."""
        return cls(**job.memory.get("progress", {}))

    def to_dict(self) -> dict[str, int]:
        """Return it as JSON data."""
        return {name: getattr(self, name) for name in ("read", *OUTCOMES)}

    def after(self, verdicts: Sequence[Verdict]) -> Progress:
        """Return it with further rows counted in."""
        counts = {name: sum(v.outcome == name for v in verdicts) + getattr(self, name) for name in OUTCOMES}
        return Progress(self.read + len(verdicts), **counts)


async def ask(kernel: Kernel, actor: Actor, token: str, mapping: ImportMapping) -> UUID:
    """Ask for an import of a file that was sent; return the job's id.

    Raises:
        NotFound: there is no such upload of the actor's.
        Forbidden, Invalid: they may not import, or the mapping does not fit.
    """
    file = await asyncio.to_thread(kernel.files.find_upload, token, actor.id)
    if file is None:
        raise NotFound("This file is not there any more: send it again.")
    Import(kernel, actor, mapping)  # whatever is refused is refused now
    payload = {
        "token": token,
        "file": file._asdict(),
        "entity": mapping.entity,
        "mapping": json.dumps(mapping_data(mapping)),
        "decimal": mapping.decimal,
        "run": str(uuid7()),
        "mfa": actor.mfa,
    }
    return await kernel.enqueue(NewJob(KIND, payload, actor=actor.id))


def table_of(kernel: Kernel, file: StoredFile, open_files: ExitStack) -> Table:
    """Return the rows of a content."""
    stream = open_files.enter_context(kernel.files.path(file.digest).open("rb"))
    return open_table(stream, file.name, detect(stream, file.name))


def refused_rows(kernel: Kernel, job: Job) -> str:
    """Return the refused rows of an import as a file to mend and import again."""
    with ExitStack() as open_files:
        table = table_of(kernel, StoredFile(**job.payload["file"]), open_files)
        return Refused(kernel.settings.files_folder, job.id).text(table, Progress.of(job).read + 1)


async def bring_in(run: JobRun) -> None:
    """Do an import, from where it was left."""
    kernel, payload = run.kernel, run.payload
    actor = await actor_of(kernel, run.asked_by, "person", "import") if run.asked_by else None
    if actor is None:
        raise Hopeless("The user who asked for it may not come in any more.")
    await asyncio.to_thread(kernel.files.find_upload, payload["token"], run.asked_by)  # keeps it from the sweep
    mapping = replace(load_mapping(payload["mapping"]), decimal=payload["decimal"])
    try:
        work = Import(kernel, replace(actor, mfa=payload["mfa"]), mapping, run=UUID(payload["run"]))
    except (Forbidden, NotFound) as error:
        raise Hopeless(error.message) from None
    await _rows(run, work, StoredFile(**payload["file"]))


async def _rows(run: JobRun, work: Import, file: StoredFile) -> None:
    known: Any = run.memory.get("total")
    total = known or await asyncio.to_thread(_count, run.kernel, file)
    progress = Progress(**run.memory.get("progress", {}))
    await run.remember("total", total)
    with ExitStack() as open_files:
        rows = iter(await asyncio.to_thread(table_of, run.kernel, file, open_files))
        await asyncio.to_thread(_pass_over, rows, progress.read)
        while chunk := await asyncio.to_thread(lambda: list(islice(rows, CHUNK))):
            progress = await _chunk(run, work, chunk, progress, total)


async def _chunk(run: JobRun, work: Import, chunk: Sequence[Row], before: Progress, total: int) -> Progress:
    """Write some rows, in one transaction with the memory of it."""
    progress = before
    refused = Refused(run.kernel.settings.files_folder, run.id)

    async def note(verdicts: Sequence[Verdict]) -> None:
        nonlocal progress
        progress = before.after(verdicts)
        await asyncio.to_thread(refused.keep, before.read + 1, verdicts)
        await run.remember("progress", progress.to_dict())
        await run.progress(progress.read, total, f"{progress.refused} refused" if progress.refused else "")

    await work.write(chunk, note)
    return progress


def _count(kernel: Kernel, file: StoredFile) -> int:
    with ExitStack() as open_files:
        try:
            return sum(1 for _ in table_of(kernel, file, open_files))
        except (Unavailable, StorageFull):
            raise
        except XrmError as error:
            raise Hopeless(str(error)) from None


def _pass_over(rows: Iterator[Row], number: int) -> None:
    for _ in islice(rows, number):
        pass


async def forget_old(run: JobRun) -> None:
    """Forget the refused rows of old imports."""
    gone: Any = await asyncio.to_thread(forget, run.kernel.settings.files_folder, run.now)
    await run.progress(gone, gone)
