"""Several records at once: delete them, or give one field of all of them a value, in one act or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from litestar import Response

from xrm.errors import Conflict, Forbidden, Invalid, Issue, Malformed, NotFound, XrmError
from xrm.metadata.model import Field
from xrm.web.forms import entries
from xrm.web.pages.account import local_path
from xrm.web.render import Notice, Renderer, go
from xrm.web.sent import FIELDS, Sent, body, read_values
from xrm.web.show import singular
from xrm.web.visit import PageVisit

MAX = 200  # records at once: what a page of a list holds


async def bulk(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Do what a list's bar asks: each wish comes twice, first to ask, then with ``_sure`` to be done."""
    sent = Sent(await body(visit))
    ids = _ids(sent)
    back = local_path(sent.word("_next") or f"/e/{visit.entity.name}")
    if not ids:
        return go(visit, back, Notice("info", "Nothing was selected."))
    wish = {"delete": _delete, "edit": _edit}.get(sent.word("do"))
    if wish is None:
        raise Malformed("There is no such thing to do with a selection.")
    return await wish(visit, render, sent, ids, back)


def _ids(sent: Sent) -> list[UUID]:
    try:
        return [UUID(text) for text in dict.fromkeys(sent.words("id"))][:MAX]
    except ValueError:
        raise Malformed("The selection cannot be read.") from None


async def _labels(visit: PageVisit, ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    labels = await visit.records.visible_ids(visit.actor, visit.entity.name, ids)
    return [(id, labels[str(id)] or "(no title)") for id in ids if str(id) in labels]


async def _delete(visit: PageVisit, render: Renderer, sent: Sent, ids: Sequence[UUID], back: str) -> Response[Any]:
    entity = visit.entity
    chosen = await _labels(visit, ids)
    problems: list[tuple[str, str]] = []
    if sent.word("_sure"):
        problems = await _all_or_none(visit, chosen, lambda id: visit.records.delete(visit.actor, entity.name, id))
        if not problems:
            return go(visit, back, Notice("success", f"{len(chosen)} {_many(visit, len(chosen))} deleted."))
    return render.page(
        visit,
        "bulk.html",
        409 if problems else 200,
        title=f"Delete {len(chosen)} {_many(visit, len(chosen))}?",
        entity=entity,
        do="delete",
        chosen=chosen,
        back=back,
        problems=problems,
        entries=(),
        fields=[],
        field=None,
        fields_name=FIELDS,
    )


def _many(visit: PageVisit, number: int) -> str:
    return singular(visit.entity) if number == 1 else visit.entity.plural.lower()


async def _edit(visit: PageVisit, render: Renderer, sent: Sent, ids: Sequence[UUID], back: str) -> Response[Any]:
    entity, chosen = visit.entity, await _labels(visit, ids)
    fields = _editable(visit)
    field = next((f for f in fields if f.name == sent.word("field")), None)
    issues: Sequence[Issue] = ()
    problems: list[tuple[str, str]] = []
    if field is not None and sent.word("_sure"):
        await read_values(visit, sent, [field])
        issues = sent.issues
        if not issues:
            problems = await _all_or_none(
                visit, chosen, lambda id: visit.records.update(visit.actor, entity.name, id, sent.values)
            )
            if not problems:
                return go(
                    visit,
                    back,
                    Notice("success", f"{field.title} of {len(chosen)} {_many(visit, len(chosen))} changed."),
                )
    shown = entries(visit, [field], sent.raw, issues, (), sent.suggestions) if field else ()
    return render.page(
        visit,
        "bulk.html",
        422 if issues or problems else 200,
        title=f"Edit {len(chosen)} {_many(visit, len(chosen))}",
        entity=entity,
        do="edit",
        chosen=chosen,
        back=back,
        problems=problems,
        entries=shown,
        fields=fields,
        field=field,
        fields_name=FIELDS,
    )


def _editable(visit: PageVisit) -> list[Field]:
    access = visit.access(visit.entity.name, "update")
    if access is None:
        raise Forbidden(f"You may not change {visit.entity.plural}.")
    state = visit.entity.workflow.field if visit.entity.workflow else ""
    return [
        f
        for f in visit.entity.fields.values()
        if f.writable and f.name in access.writable() and not f.unique and f.name != state
    ]


class _Undo(Exception):
    """Leaves an act so that nothing of it is stored."""


async def _all_or_none(
    visit: PageVisit, chosen: Sequence[tuple[UUID, str]], write: Callable[[UUID], Awaitable[Any]]
) -> list[tuple[str, str]]:
    """Do all writes in one act; return what refuses as (title, reason), in which case nothing was stored."""
    problems: list[tuple[str, str]] = []
    try:
        async with visit.records.act(visit.actor, "several at once"):
            problems = await _try_all(visit, chosen, write)
            _undo_if(problems)
    except _Undo:
        return problems
    return []


async def _try_all(
    visit: PageVisit, chosen: Sequence[tuple[UUID, str]], write: Callable[[UUID], Awaitable[Any]]
) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    for id, label in chosen:
        try:
            async with visit.records.attempt(visit.actor):
                await write(id)
        except (Conflict, Forbidden, Invalid, NotFound) as error:
            problems.append((label, _reason(error)))
    return problems


def _undo_if(problems: Sequence[tuple[str, str]]) -> None:
    if problems:
        raise _Undo


def _reason(error: XrmError) -> str:
    return " ".join(issue.message for issue in error.issues) or error.message
