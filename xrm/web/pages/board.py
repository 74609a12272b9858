"""The board: a lane per state (or choice), a card per record, moved by dragging, by menu or by keyboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from litestar import Response

from xrm.errors import Conflict, Issue, NotFound
from xrm.kernel.query import Query
from xrm.kernel.records import Record
from xrm.kernel.totals import Totals
from xrm.metadata.model import Choice, Entity, Field, State, View
from xrm.web import listing
from xrm.web.columns import Column, columns
from xrm.web.facets import Facet, chips, expression, offers, quoted, read_facets
from xrm.web.moves import Move, transitions
from xrm.web.render import Notice, Renderer, go, html
from xrm.web.sent import Sent, body
from xrm.web.visit import PageVisit, url

CARDS = 25  # per lane


@dataclass(frozen=True, slots=True)
class Card:
    """One record on a board, with where it can go."""

    record: Record
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane: its state or choice, its cards, and what all its records add up to."""

    name: str
    title: str
    color: str
    final: str
    cards: tuple[Card, ...]
    count: int
    sums: tuple[str, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board as it was asked for."""

    entity: Entity
    view: View
    field: Field
    facets: tuple[Facet, ...]
    shown: tuple[Column, ...]
    search: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """The URL parameters that ask for it."""
        found: dict[str, Any] = {"view": self.view.name if self.view.name != "board" else "", "q": self.search}
        for facet in self.facets:
            found |= facet.parameters
        return found

    @property
    def url(self) -> str:
        """The shortest URL that asks for it."""
        return url(f"/e/{self.entity.name}/board", **self.parameters)


def read_board(visit: PageVisit) -> Board:
    """Return the board a URL asks for.

    Raises:
        NotFound: the entity has none, or the actor may not read what makes its lanes.
    """
    entity = visit.entity
    boards = [v for v in entity.views.values() if v.kind == "board"]
    view = next((v for v in boards if v.name == visit.parameter("view")), boards[0] if boards else None)
    if view is None or not visit.reads(entity, view.by):
        raise NotFound(f"There is no board of {entity.plural}.")
    first = next((v for v in entity.views.values() if v.kind == "list"), None)
    facets = tuple(f for f in read_facets(visit, entity, view if view.filters else first) if f.field.name != view.by)
    return Board(
        entity,
        view,
        entity.fields[view.by],
        facets,
        columns(visit, entity, view.card),
        visit.parameter("q").strip()[:200],
    )


async def board_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show a board, or only its lanes where htmx asks for that."""
    asked = read_board(visit)
    shown = await _shown(visit, asked)
    if visit.partial:
        return html(render.part(visit, "board_part.html", **shown), hx_push_url=asked.url)
    views = listing.read_list(visit)
    return render.page(
        visit,
        "board.html",
        title=f"{asked.entity.plural}: {asked.view.title or 'board'}",
        asked=views,
        offers=await offers(visit, asked.facets),
        may_create=visit.may(asked.entity.name, "create"),
        **shown,
    )


async def _shown(visit: PageVisit, asked: Board) -> dict[str, Any]:
    condition = _condition(visit, asked)
    totals = await _totals(visit, asked, condition)
    lanes = [await _lane(visit, asked, condition, choice, totals) for choice in _choices(asked)]
    return {
        "board": asked,
        "entity": asked.entity,
        "lanes": lanes,
        "chips": await chips(visit, asked.facets),
        "total": sum(lane.count for lane in lanes),
    }


def _condition(visit: PageVisit, asked: Board) -> str:
    parts = [*([asked.view.filter] if asked.view.filter else []), *expression(asked.facets, visit.zone)]
    return " && ".join(f"({part})" for part in parts)


def _choices(asked: Board) -> Sequence[tuple[Choice, str]]:
    """Return the lanes' choices, each with the kind of end its state is."""
    workflow = asked.entity.workflow
    states: Mapping[str, State] = (
        {s.name: s for s in workflow.states} if workflow and workflow.field == asked.field.name else {}
    )
    return [(c, states[c.name].final if c.name in states else "") for c in asked.field.choices]


async def _totals(visit: PageVisit, asked: Board, condition: str) -> Mapping[str, tuple[int, tuple[str, ...]]]:
    """Return per lane how many records there are and what they add up to, one text per currency."""
    summed = asked.view.sum if asked.view.sum and visit.reads(asked.entity, asked.view.sum) else ""
    money = bool(summed) and asked.entity.fields[summed].type == "money"
    group = (asked.field.name, *([f"{summed}.currency"] if money else []))
    based = money and asked.entity.fields[summed].base
    values = ("count", *([f"sum({summed})"] if summed else []), *([f"sum({summed}.base)"] if based else []))
    rows = await visit.records.aggregate(visit.actor, asked.entity.name, Totals(group, values, condition, asked.search))
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for row in rows:
        lane = str(row[asked.field.name])
        count, sums = found.get(lane, (0, ()))
        text = _sum_text(visit, asked, summed, row)
        found[lane] = (count + row["count"], (*sums, text) if text else sums)
    return {lane: (count, (*sums, *_worth(visit, asked, rows, lane, summed))) for lane, (count, sums) in found.items()}


def _worth(
    visit: PageVisit, asked: Board, rows: Sequence[Mapping[str, Any]], lane: str, summed: str
) -> tuple[str, ...]:
    """Return what amounts of several currencies are worth together in the site's, where each is known."""
    name = f"sum({summed}.base)"
    own = [r for r in rows if str(r[asked.field.name]) == lane and r.get(f"sum({summed})") is not None]
    if len(own) < 2 or any(row.get(name) is None for row in own):
        return ()
    whole = str(sum(Decimal(row[name]) for row in own)).partition(".")[0]
    currency = visit.live.parsing.currency
    return (f"together {visit.show.money({'amount': whole, 'currency': currency})}",)


def _sum_text(visit: PageVisit, asked: Board, summed: str, row: Mapping[str, Any]) -> str:
    value = row.get(f"sum({summed})")
    if value is None:
        return ""
    if asked.entity.fields[summed].type == "money":
        whole = str(value).partition(".")[0]
        return visit.show.money({"amount": whole, "currency": row[f"{summed}.currency"]})
    return visit.show.plain(asked.entity.fields[summed], value)


async def _lane(
    visit: PageVisit,
    asked: Board,
    condition: str,
    choice: tuple[Choice, str],
    totals: Mapping[str, tuple[int, tuple[str, ...]]],
) -> Lane:
    entity, (one, final) = asked.entity, choice
    count, sums = totals.get(one.name, (0, ()))
    records: list[Record] = []
    if count:
        own = f"{asked.field.name} == {quoted(one.name)}"
        query = Query(f"({condition}) && {own}" if condition else own, _order(visit, asked), (), asked.search, CARDS)
        records = (await visit.records.list(visit.actor, entity.name, query)).records
    cards = tuple(Card(r, _moves(visit, asked, r)) for r in records)
    more = url(f"/e/{entity.name}", **{f"f.{asked.field.name}": one.name}) if count > len(cards) else ""
    return Lane(one.name, one.title, one.color, final, cards, count, sums, more)


def _order(visit: PageVisit, asked: Board) -> tuple[str, ...]:
    first = next((v for v in asked.entity.views.values() if v.kind == "list" and v.sort), None)
    return asked.view.sort or (first.sort if first else ())


def _moves(visit: PageVisit, asked: Board, record: Record) -> tuple[Move, ...]:
    """Return where a card can go. Whether this very record may be changed is asked when it is moved."""
    access = visit.access(asked.entity.name, "update")
    if access is None:
        return ()
    workflow = asked.entity.workflow
    if workflow and workflow.field == asked.field.name:
        found = transitions(visit, visit.prepared, record, {"update": access.writable()})
        return tuple({m.target: m for m in reversed(found)}.values())[::-1]
    if asked.field.name not in access.writable():
        return ()
    current = record.get(asked.field.name)
    return tuple(Move("", c.title, target=c.name) for c in asked.field.choices if c.name != current)


# --- moving -------------------------------------------------------------------------------------------------------


async def after_move(visit: PageVisit, render: Renderer, origin: str, record: Record, move: Move) -> Response[Any]:
    """Answer a move made on a board: the board as it is now, and what happened in words."""
    workflow = visit.entity.workflow
    state = workflow.state(move.target) if workflow else None
    said = f"{record.get('label')} is now in {state.title if state else move.title}."
    return await _answer(visit, render, origin, said)


def moved_meanwhile(visit: PageVisit, record: Record, name: str) -> Issue:
    """Return the finding that somebody else gave field `name` of a record another value, who and when."""
    who = (record.get("updated_by") or {}).get("label") or "somebody"
    where = visit.show.plain(visit.entity.fields[name], record.get(name))
    when = visit.show.ago(record["updated_at"], visit.now)
    return Issue("", "moved_meanwhile", f"It is in {where} now: {who} changed it {when}.")


async def beside(visit: PageVisit, render: Renderer, origin: str) -> str:
    """Return the board as it is now, to be put in its place beside the main answer."""
    asked = visit.asking(origin.partition("?")[2])
    text = render.part(asked, "board_part.html", **await _shown(asked, read_board(asked)))
    return f'<hx-partial hx-target="#board" hx-swap="outerHTML">{text}</hx-partial>'


async def _answer(visit: PageVisit, render: Renderer, origin: str, said: str) -> Response[Any]:
    query = origin.partition("?")[2]
    target = f"/e/{visit.entity.name}/board" + (f"?{query}" if query else "")
    if not visit.partial:
        return go(visit, target, Notice("success", said))
    other = visit.asking(query)
    text = render.part(other, "board_part.html", said=said, **await _shown(other, read_board(other)))
    return html(text)


async def place(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Give a record another choice: for boards whose lanes are no workflow."""
    sent = Sent(await body(visit))
    asked = read_board(visit.asking(sent.word("_from").partition("?")[2]))
    record = await visit.records.get(visit.actor, asked.entity.name, visit.id)
    if record.get(asked.field.name) != sent.word("_was"):
        raise Conflict(issues=[moved_meanwhile(visit, record, asked.field.name)])
    values = {asked.field.name: sent.word("to")}
    await visit.records.update(visit.actor, asked.entity.name, visit.id, values, version=record["version"])
    title = next((c.title for c in asked.field.choices if c.name == sent.word("to")), "")
    return await _answer(visit, render, sent.word("_from"), f"{record.get('label')} is now in {title}.")
