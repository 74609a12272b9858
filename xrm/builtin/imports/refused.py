"""The refused rows of an import in the background: one small file per chunk, written before the chunk is committed.

A chunk that is done again after a crash writes its file again, so that what is read in the end is exact.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from xrm.builtin.transfer.importing import Verdict
from xrm.builtin.transfer.problems import ProblemFile
from xrm.builtin.transfer.reading import Row, Table
from xrm.errors import Issue

KEPT = timedelta(days=7)


class Refused:
    """The refused rows of one import.

    Args:
        folder: Of the site's files.
        job: The import's job.
    """

    def __init__(self, folder: Path, job: UUID) -> None:
        self._folder = folder / "imports" / str(job)

    def keep(self, first: int, verdicts: Sequence[Verdict]) -> None:
        """Keep those of a chunk that begins with the row of this number."""
        rows = [
            {"number": v.row.number, "line": v.row.line, "values": dict(v.row.values), "problem": v.problem}
            for v in verdicts
            if v.outcome == "refused"
        ]
        path = self._folder / f"{first:012}.json"
        if not rows:
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as out:
            json.dump(rows, out, ensure_ascii=True, default=str)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)

    def verdicts(self, before: int) -> Iterator[Verdict]:
        """Yield those of the chunks that begin before the row of this number, in the order of the file."""
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            if int(path.stem) < before:
                yield from (_verdict(row) for row in json.loads(path.read_text("utf-8")))

    def text(self, table: Table, before: int) -> str:
        """Return them as a file to mend and import again."""
        out = io.StringIO(newline="")
        file = ProblemFile(out, table)
        for verdict in self.verdicts(before):
            file.add(verdict)
        return out.getvalue()


def forget(folder: Path, now: datetime) -> int:
    """Delete what old imports kept; return of how many."""
    gone = 0
    for path in (folder / "imports").glob("*"):
        if path.stat().st_mtime < (now - KEPT).timestamp():
            shutil.rmtree(path, ignore_errors=True)
            gone += 1
    return gone


def _verdict(row: dict[str, Any]) -> Verdict:
    made = Row(row["number"], row["line"], row["values"])
    return Verdict(made, "refused", issues=(Issue("", "refused", row["problem"]),))
