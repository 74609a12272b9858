"""The report for a person (Art. 15 and 20 GDPR): everything that is kept of them, as one ZIP file."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from xrm.builtin.privacy.processing import processing
from xrm.builtin.privacy.subjects import REPORT, ends, every, the_subject
from xrm.errors import NotFound
from xrm.kernel.change import Actor
from xrm.kernel.kernel import Kernel
from xrm.kernel.query import Query
from xrm.metadata.model import Entity

FILES = ("file", "image")


async def report(kernel: Kernel, actor: Actor, entity: str, id: UUID) -> Path:
    """Write the report of a person into a temporary file and return it; the caller takes it away.

    It holds what the actor may read: ``about.json`` says what was left out.

    Raises:
        Forbidden: the actor may not make reports.
        NotFound, Conflict: there is no such person.
    """
    kernel.live.policy.authorise(actor, REPORT)
    subject = await the_subject(kernel, actor, entity, id)
    with tempfile.NamedTemporaryFile(prefix="xrm-report-", suffix=".zip", delete=False) as made:
        path = Path(made.name)
    with contextlib.ExitStack() as undo:
        undo.callback(path.unlink, missing_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            await _fill(archive, kernel, actor, kernel.model.entities[entity], subject)
        undo.pop_all()
    return path


async def _fill(
    archive: zipfile.ZipFile, kernel: Kernel, actor: Actor, entity: Entity, subject: Mapping[str, Any]
) -> None:
    id = UUID(subject["id"])
    _put(archive, "record.json", subject)
    await _files(archive, kernel, entity, subject)
    _put(archive, "history.json", await kernel.records.history(actor, entity.name, id))
    counts, withheld = {entity.name: 1}, []
    for end in ends(kernel.model, entity):
        if kernel.live.policy.access(actor, end.entity.name, "read") is None:
            withheld.append(end.entity.title)
            continue
        found = []
        async for record in every(kernel, actor, end.entity.name, Query(filter=end.filter(entity.name, id))):
            found.append(record)
            await _files(archive, kernel, end.entity, record)
        if found:
            _put(archive, f"related/{end.entity.name}.{end.field.name}.json", found)
            counts[end.entity.name] = counts.get(end.entity.name, 0) + len(found)
    told = [one.to_dict() for one in processing(kernel) if one.entity in counts]
    about = {"made_at": kernel.clock().isoformat(), "records": counts, "withheld": withheld, "processing": told}
    _put(archive, "about.json", about)


def _put(archive: zipfile.ZipFile, name: str, told: Any) -> None:
    archive.writestr(name, json.dumps(told, indent=2, ensure_ascii=False, default=str))


async def _files(archive: zipfile.ZipFile, kernel: Kernel, entity: Entity, record: Mapping[str, Any]) -> None:
    for field in entity.fields.values():
        value = record.get(field.name)
        if field.type not in FILES or not isinstance(value, Mapping) or not value.get("digest"):
            continue
        name = Path(str(value.get("name") or field.name)).name
        place = f"files/{entity.name}/{record['id']}/{field.name}-{name}"
        try:
            with archive.open(place, "w") as out:
                async for piece in kernel.files.read(value["digest"]):
                    out.write(piece)
        except (NotFound, FileNotFoundError):
            archive.writestr(f"{place}.missing", "The content of this file is not there any more.")
