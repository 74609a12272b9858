"""The home page: what is to be done today, how one's pipeline stands, what changed lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response

from xrm.kernel.query import Query
from xrm.kernel.records import Record
from xrm.kernel.totals import Totals
from xrm.metadata.model import Entity, State, View
from xrm.web.moves import Move, transitions
from xrm.web.render import Renderer
from xrm.web.show import day_bounds, utc_text
from xrm.web.visit import PageVisit, url

MINE = "owner == user.id"
TASKS = 8  # per agenda
RECENT = 8
DUE = "due"


@dataclass(frozen=True, slots=True)
class Task:
    """One open record with a due time."""

    record: Record
    late: bool
    today: bool
    done: Move | None


@dataclass(frozen=True, slots=True)
class Agenda:
    """What of one entity is still open and mine, the most urgent first."""

    entity: Entity
    tasks: tuple[Task, ...]
    late: int
    today: int
    total: int
    all: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One state of a pipeline with what is in it."""

    state: State
    count: int
    sums: Mapping[str, str]  # currency → amount as text


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How my records of one entity are spread over the states of their workflow."""

    entity: Entity
    view: View
    stages: tuple[Stage, ...]
    currency: str
    scope: str
    chart: str

    @property
    def open(self) -> tuple[Stage, ...]:
        """The stages that are no end."""
        return tuple(s for s in self.stages if not s.state.final)


async def home_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show the home page."""
    entities = visit.live.policy.entities(visit.actor)
    agendas = [await _agenda(visit, e) for e in entities if _has_agenda(visit, e)]
    agendas.sort(key=lambda a: (a.total == 0, a.entity.name != "activity"))
    pipeline = await _pipeline(visit, entities)
    hour = visit.now.astimezone(visit.zone)
    return render.page(
        visit,
        "home.html",
        title="Home",
        agendas=[a for n, a in enumerate(agendas) if a.total or n == 0],
        pipeline=pipeline,
        recent=await _recent(visit, entities),
        today=visit.show.day(hour.date().isoformat()),
        weekday=f"{hour:%A}",
        greeting="Good morning" if 4 <= hour.hour < 12 else "Good afternoon" if hour.hour < 18 else "Good evening",
    )


# --- agenda -------------------------------------------------------------------------------------------------------


def _has_agenda(visit: PageVisit, entity: Entity) -> bool:
    """Whether records of an entity are things to do: they have an owner, a due time and an end."""
    due = entity.fields.get(DUE)
    ends = entity.workflow is not None and any(s.final for s in entity.workflow.states)
    fits = due is not None and due.type in ("date", "datetime") and entity.owned and ends
    return fits and visit.reads(entity, DUE) and visit.reads(entity, "owner") and visit.reads(entity, _state(entity))


def _state(entity: Entity) -> str:
    return entity.workflow.field if entity.workflow else ""


def _open(entity: Entity) -> str:
    finals = [s.name for s in entity.workflow.states if s.final] if entity.workflow else []
    return " && ".join([MINE, *(f"{_state(entity)} != '{name}'" for name in finals)])


async def _agenda(visit: PageVisit, entity: Entity) -> Agenda:
    begin, end = _today(visit, entity)
    condition = _open(entity)
    page = await visit.records.list(
        visit.actor, entity.name, Query(f"{condition} && {DUE} != null", (DUE,), limit=TASKS)
    )
    access = visit.access(entity.name, "update")
    tasks = tuple(
        _task(visit, entity, r, access.writable() if access else frozenset(), begin, end) for r in page.records
    )
    late = await visit.records.count(visit.actor, entity.name, Query(f"{condition} && {DUE} < '{begin}'"))
    today = await visit.records.count(
        visit.actor, entity.name, Query(f"{condition} && {DUE} >= '{begin}' && {DUE} < '{end}'")
    )
    total = await visit.records.count(visit.actor, entity.name, Query(condition))
    everything = url(f"/e/{entity.name}", filter=condition, sort=DUE)
    return Agenda(entity, tasks, late.value, today.value, total.value, everything)


def _today(visit: PageVisit, entity: Entity) -> tuple[str, str]:
    """Return when today begins and ends as the filter writes it, for a date or a time."""
    begin, end = day_bounds(visit.now, visit.zone)
    if entity.fields[DUE].type == "datetime":
        return utc_text(begin), utc_text(end)
    return begin.astimezone(visit.zone).date().isoformat(), end.astimezone(visit.zone).date().isoformat()


def _task(visit: PageVisit, entity: Entity, record: Record, writable: frozenset[str], begin: str, end: str) -> Task:
    due = str(record[DUE])
    prepared = visit.live.entities[entity.name]
    possible = transitions(visit, prepared, record, {"update": writable} if writable else {})
    done = next((m for m in possible if m.final == "done" and not m.asks), None)
    return Task(record, _before(due, begin), not _before(due, begin) and _before(due, end), done)


def _before(one: str, other: str) -> bool:
    return datetime.fromisoformat(one) < datetime.fromisoformat(other)


# --- pipeline -----------------------------------------------------------------------------------------------------


async def _pipeline(visit: PageVisit, entities: Sequence[Entity]) -> Pipeline | None:
    """Return the pipeline of the entity whose states have probabilities, else of one whose board adds up money."""
    found = [(e, v) for e in entities for v in e.views.values() if _is_pipeline(visit, e, v)]
    if not found:
        return None
    entity, view = max(
        found, key=lambda ev: any(s.probability is not None for s in (ev[0].workflow.states if ev[0].workflow else ()))
    )
    rows, scope = await _stages(visit, entity, view, MINE), "Your"
    if not rows:
        rows, scope = await _stages(visit, entity, view, ""), "All"
    if not rows or entity.workflow is None:
        return None
    stages = tuple(_stage(visit, entity, view, s, rows) for s in entity.workflow.states)
    currency = _main_currency(visit, stages)
    return Pipeline(entity, view, stages, currency, scope, _chart(stages, currency))


def _is_pipeline(visit: PageVisit, entity: Entity, view: View) -> bool:
    summed = entity.fields.get(view.sum)
    on_workflow = view.kind == "board" and entity.workflow is not None and view.by == entity.workflow.field
    readable = all(visit.reads(entity, name) for name in (view.by, view.sum, "owner"))
    return on_workflow and entity.owned and summed is not None and summed.type == "money" and readable


async def _stages(visit: PageVisit, entity: Entity, view: View, condition: str) -> Sequence[Record]:
    totals = Totals((view.by, f"{view.sum}.currency"), ("count", f"sum({view.sum})"), condition)
    return await visit.records.aggregate(visit.actor, entity.name, totals)


def _stage(visit: PageVisit, entity: Entity, view: View, state: State, rows: Sequence[Record]) -> Stage:
    own = [r for r in rows if r[view.by] == state.name]
    sums = {
        r[f"{view.sum}.currency"]: str(r[f"sum({view.sum})"])
        for r in own
        if r[f"{view.sum}.currency"] and r[f"sum({view.sum})"] is not None
    }
    return Stage(state, sum(r["count"] for r in own), sums)


def _main_currency(visit: PageVisit, stages: Sequence[Stage]) -> str:
    used = {currency for stage in stages for currency in stage.sums}
    return visit.settings.currency if visit.settings.currency in used or not used else min(used)


def _chart(stages: Sequence[Stage], currency: str) -> str:
    """Return the chart's data as JSON: the page's program makes it an ECharts option in the colours of the theme."""
    rows = [
        {"title": s.state.title, "color": s.state.color, "value": float(s.sums.get(currency, "0")), "count": s.count}
        for s in stages
        if s.state.final != "lost"
    ]
    return msgspec.json.encode({"currency": currency, "rows": rows}).decode()


# --- recent -------------------------------------------------------------------------------------------------------


async def _recent(visit: PageVisit, entities: Sequence[Entity]) -> list[tuple[Entity, Record]]:
    """Return my records that changed last, whoever changed them; for somebody without any the newest of all."""
    kept = [e for e in entities if e.owned and e.timeline and visit.reads(e, "owner") and visit.reads(e, "label")]
    mine = await _latest(visit, kept, MINE, "updated_at")
    return mine or await _latest(visit, kept, "", "created_at")


async def _latest(visit: PageVisit, entities: Sequence[Entity], condition: str, by: str) -> list[tuple[Entity, Record]]:
    found: list[tuple[Entity, Record]] = []
    fields = ("label", "updated_at", "updated_by", "created_at")
    for entity in entities:
        page = await visit.records.list(visit.actor, entity.name, Query(condition, (f"-{by}",), fields, limit=RECENT))
        found.extend((entity, record) for record in page.records)
    return sorted(found, key=lambda pair: str(pair[1][by]), reverse=True)[:RECENT]
