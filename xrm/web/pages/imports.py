"""Importing a file: send it, say which column is which field, look at what would happen, and let it run as a job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from litestar import Response
from litestar.datastructures import UploadFile

from xrm.builtin.imports.background import KIND, Progress, ask, refused_rows, table_of
from xrm.builtin.transfer.importing import Import, Report, Verdict
from xrm.builtin.transfer.mapping import MODES, FieldRule, ImportMapping, is_unique, part_names
from xrm.builtin.transfer.reading import Row
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Invalid, Malformed, NotFound, TooLarge, XrmError
from xrm.kernel.fieldtypes.files import StoredFile
from xrm.kernel.jobs.kind import Job
from xrm.metadata.model import Entity
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import Sent, body, pieces
from xrm.web.visit import PageVisit, url

SAMPLES = 3  # rows whose values are shown beside a column
TRIED = 500  # rows that are tried before the import
SHOWN = 100  # of those, how many are listed
OUTCOMES = ("refused", "updated", "created", "unchanged")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file, as the page of the mapping shows it."""

    number: int
    name: str
    samples: tuple[str, ...]
    target: str  # path of the field it is for; empty = left out


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that was sent: its columns and first rows."""

    token: str
    file: StoredFile
    header: tuple[str, ...]
    rows: tuple[Row, ...]


async def import_page(visit: PageVisit, render: Renderer, problem: str = "") -> Response[Any]:
    """Ask for the file."""
    entity = _entity(visit)
    status = 422 if problem else 200
    return render.page(
        visit, "import.html", status, title=f"Import {entity.plural.lower()}", entity=entity, problem=problem
    )


async def send(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Take the file in."""
    entity = _entity(visit)
    sent = Sent(await body(visit))
    part = next((v for v in sent.body.getall("file", []) if isinstance(v, UploadFile) and v.filename), None)
    if part is None:
        return await import_page(visit, render, "Choose a file first.")
    try:
        upload = await visit.kernel.files.receive(part.filename, visit.actor.id, pieces(part))
        await _opened(visit, upload.token)
    except (TooLarge, Malformed, Invalid) as error:
        return await import_page(visit, render, str(error))
    return go(visit, url(f"/e/{entity.name}/import/map", file=upload.token))


async def map_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show the columns, each with the field it seems to be for."""
    entity = _entity(visit)
    try:
        opened = await _opened(visit, visit.parameter("file"))
    except NotFound:
        return go(
            visit, f"/e/{entity.name}/import", Notice("warning", "The file is not there any more: send it again.")
        )
    return _map(visit, render, opened, suggest(entity, opened.header))


def _map(
    visit: PageVisit, render: Renderer, opened: Opened, mapping: ImportMapping, error: XrmError | None = None
) -> Response[Any]:
    entity = _entity(visit)
    by_column = {rule.column: rule.field for rule in mapping.rules if rule.column}
    columns = [
        Column(number, name, _samples(opened.rows, name), by_column.get(name, ""))
        for number, name in enumerate(opened.header)
    ]
    targets = _targets(visit, entity)
    shown: dict[str, Any] = {
        "title": f"Import {entity.plural.lower()}",
        "entity": entity,
        "opened": opened,
        "columns": columns,
        "targets": targets,
        "keys": [(path, title) for path, title in targets if is_unique(entity, path)],
        "mapping": mapping,
        "modes": {"upsert": "Change it", "create": "Refuse the row", "update": "Change it; refuse rows without one"},
        "error": error,
    }
    return render.page(visit, "import_map.html", 422 if error else 200, **shown)


async def rehearse(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what would become of the first rows; nothing is kept."""
    entity = _entity(visit)
    sent = Sent(await body(visit))
    opened = await _opened(visit, sent.word("file"))
    mapping = _mapping(visit, sent, opened)
    try:
        report, verdicts = await _tried(visit, opened, mapping)
    except XrmError as error:
        return _map(visit, render, opened, mapping, error)
    listed = sorted(verdicts, key=lambda v: (OUTCOMES.index(v.outcome), v.row.number))[:SHOWN]
    shown: dict[str, Any] = {
        "title": f"Import {entity.plural.lower()}",
        "entity": entity,
        "opened": opened,
        "report": report,
        "verdicts": listed,
        "more": len(verdicts) - len(listed),
        "partly": report.read == TRIED,
        "chosen": _chosen(sent, opened),
        "shown": _shown,
        "left_out": mapping.ignore,
    }
    return render.page(visit, "import_try.html", **shown)


async def start(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Let the import run."""
    entity = _entity(visit)
    sent = Sent(await body(visit))
    opened = await _opened(visit, sent.word("file"))
    mapping = _mapping(visit, sent, opened)
    try:
        id = await ask(visit.kernel, visit.actor, opened.token, mapping)
    except XrmError as error:
        return _map(visit, render, opened, mapping, error)
    return go(visit, f"/e/{entity.name}/import/{id}")


async def run_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show how far an import is, and what became of the rows."""
    entity, job = _entity(visit), await _job(visit)
    shown: dict[str, Any] = {
        "title": f"Import of {job.payload['file']['name']}",
        "entity": entity,
        "job": job,
        "progress": Progress.of(job),
        "going_on": job.state in ("waiting", "running"),
        "run": job.payload["run"],
    }
    return render.page(visit, "import_run.html", **shown)


async def refused(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Give the refused rows as a file to mend and send again."""
    entity, job = _entity(visit), await _job(visit)
    text = await asyncio.to_thread(refused_rows, visit.kernel, job)
    headers = {"content-disposition": f'attachment; filename="{entity.name}-refused.csv"', "cache-control": "no-store"}
    return Response(text, media_type="text/csv", headers=headers)


# --- within -----------------------------------------------------------------------------------------------------------


def _entity(visit: PageVisit) -> Entity:
    """Return the entity in the path, of which the actor may import records; for others there is no such page."""
    if not visit.may(visit.entity.name, "import"):
        raise NotFound("There is no such page.")
    return visit.entity


async def _job(visit: PageVisit) -> Job:
    job = await visit.kernel.jobs.table.find(visit.id)
    mine = job is not None and job.kind == KIND and job.payload["entity"] == visit.entity.name
    if job is None or not mine or job.actor != visit.actor.id:
        raise NotFound("There is no such page.")
    return job


async def _opened(visit: PageVisit, token: str) -> Opened:
    file = await asyncio.to_thread(visit.kernel.files.find_upload, token, visit.actor.id)
    if file is None:
        raise NotFound("The file is not there any more: send it again.")
    return await asyncio.to_thread(_read, visit, token, file)


def _read(visit: PageVisit, token: str, file: StoredFile) -> Opened:
    with ExitStack() as open_files:
        table = table_of(visit.kernel, file, open_files)
        return Opened(token, file, table.header, tuple(islice(table, TRIED)))


async def _tried(visit: PageVisit, opened: Opened, mapping: ImportMapping) -> tuple[Report, Sequence[Verdict]]:
    verdicts: list[Verdict] = []
    report = await Import(visit.kernel, visit.actor, mapping, verdicts.append).rehearse(opened.rows)
    return report, verdicts


def _samples(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    found = (str(row.values.get(column) or "").strip() for row in rows)
    return tuple(islice((text[:60] for text in found if text), SAMPLES))


def _targets(visit: PageVisit, entity: Entity) -> list[tuple[str, str]]:
    """Return what a column may be for: path and title of each field the actor may write, and of its parts."""
    writable = {
        name for action in ("create", "update") if (a := visit.access(entity.name, action)) for name in a.writable()
    }
    found: list[tuple[str, str]] = []
    for field in entity.fields.values():
        if field.name in writable and field.writable and not field.polymorphic and field.type not in ("file", "image"):
            found.append((field.name, field.title))
            found += [(f"{field.name}.{part}", f"{field.title}: {part}") for part in part_names(field)]
    return sorted(found, key=lambda one: one[1].lower())


def _chosen(sent: Sent, opened: Opened) -> list[tuple[str, str]]:
    names = ("file", "key", "mode", "decimal", *(f"column.{n}" for n in range(len(opened.header))))
    return [(name, sent.word(name)) for name in names]


def _mapping(visit: PageVisit, sent: Sent, opened: Opened) -> ImportMapping:
    """Return the mapping that a form says."""
    entity = visit.entity
    offered = suggest(entity, opened.header)
    guessed = {(rule.column, rule.field): rule for rule in offered.rules}
    allowed = {path for path, _ in _targets(visit, entity)}
    rules: dict[str, FieldRule] = {}
    for number, column in enumerate(opened.header):
        target = sent.word(f"column.{number}")
        if target in allowed:
            rules.setdefault(target, guessed.get((column, target), FieldRule(target, column=column)))
    key, mode = sent.word("key"), sent.word("mode")
    used = {name for rule in rules.values() for name in rule.columns()}
    return replace(
        offered,
        rules=tuple(rules.values()),
        key=(key,) if key in rules else (),
        mode=(mode if mode in MODES else "upsert") if key in rules else "create",
        decimal="," if sent.word("decimal") == "," else ".",
        ignore=tuple(column for column in opened.header if column not in used),
    )


def _shown(value: Any) -> str:
    """Return a value of a rehearsal as a short text."""
    if isinstance(value, dict):
        value = value.get("label") or " ".join(str(v) for v in value.values() if v is not None)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "" if value is None else text[:80]
