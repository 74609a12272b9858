"""The form of a record: create, edit, delete; and the page that settles a conflict between two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Response

from xrm.errors import Conflict, Forbidden, Invalid, Issue
from xrm.kernel import derive
from xrm.kernel.policy import Access
from xrm.kernel.query import Query
from xrm.kernel.records import Record
from xrm.kernel.values import to_json as jsonable
from xrm.metadata.model import Entity, Field, RecordType
from xrm.metadata.names import TYPE_FIELD
from xrm.web import saving
from xrm.web.forms import Group, entries, sections, take_raw, to_raw
from xrm.web.moves import Granted, Move, presses
from xrm.web.pages.account import local_path
from xrm.web.render import Notice, Renderer, go, html
from xrm.web.saving import Clashes, Saved
from xrm.web.sent import FIELDS, Sent, body, read_values, still
from xrm.web.show import singular
from xrm.web.visit import PageVisit, url

CHOOSE = "_choose."  # in a conflict: theirs or yours, per field


@dataclass(frozen=True, slots=True)
class About:
    """What a form is about.

    Attributes:
        record: The record; None = a new one.
        kind: Of a new record: its type, where that is chosen.
        follow: The buttons that may follow when it is saved.
    """

    record: Record | None = None
    kind: RecordType | None = None
    follow: tuple[Move, ...] = ()


NOTHING = About()
Groups = list[tuple[str, tuple[Field, ...]]]


# --- new ----------------------------------------------------------------------------------------------------------


def _creatable(visit: PageVisit, chosen: str) -> tuple[Groups, RecordType | None]:
    """Return the sections of the form of a new record, and the type it will have if one is to be sent.

    Raises:
        Forbidden: the actor may create none.
    """
    access = visit.access(visit.entity.name, "create")
    if access is None:
        raise Forbidden(f"You may not create {visit.entity.plural}.")
    kinds = _kinds(access)
    kind = kinds.get(chosen) if kinds else None
    given = {TYPE_FIELD: kind.name if kind else access.presets.get(TYPE_FIELD)}
    typed = visit.prepared.of(given if given[TYPE_FIELD] else _default(visit.entity))
    return sections(visit, typed.entity, access.writable()), kind


def _kinds(access: Access) -> Mapping[str, RecordType]:
    """Return the types among which somebody may choose for a new record; none where there is no choice."""
    free = TYPE_FIELD in access.writable() and TYPE_FIELD not in access.presets
    return access.entity.record_types if free else {}


def _default(entity: Entity) -> Mapping[str, Any]:
    return {TYPE_FIELD: entity.fields[TYPE_FIELD].default} if entity.record_types else {}


def _all(groups: Sequence[tuple[str, tuple[Field, ...]]]) -> list[Field]:
    return [field for _, fields in groups for field in fields]


async def new_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show an empty form, filled in by defaults and by query parameters; first ask for a type, where there are some."""
    chosen = visit.parameter(TYPE_FIELD)
    groups, kind = _creatable(visit, chosen)
    access = visit.access(visit.entity.name, "create")
    kinds = _kinds(access) if access and kind is None else {}
    if len(kinds) > 1:
        ways = [(each, url(visit.path, **{**visit.query, TYPE_FIELD: each.name})) for each in kinds.values()]
        title = f"New {singular(visit.entity)}"
        return render.page(visit, "record_types.html", title=title, entity=visit.entity, kinds=ways)
    fields = _all(groups)
    raw = to_raw(visit.show, fields, _defaults(visit, fields))
    given = [f for f in fields if f.name in visit.query]
    raw |= await _labelled(visit, given, take_raw(given, visit.query))
    return _form(visit, render, groups, raw, about=About(kind=kind))


def _defaults(visit: PageVisit, fields: Sequence[Field]) -> Record:
    found: Record = {}
    for field in (f for f in fields if f.default is not None):
        value = derive.default(field, visit.actor, visit.now, visit.live.parsing)
        if value is None:
            continue
        found[field.name] = jsonable(value)
        if field.type == "relation":
            label = visit.actor.name if field.default == "$user.id" else ""
            found[field.name] = {"id": str(value), "label": label} if label else None
    return found


async def _labelled(visit: PageVisit, fields: Sequence[Field], raw: dict[str, Any]) -> dict[str, Any]:
    """Return raw values of a URL with the titles of the records they point to; a record withheld is left out."""
    for field in (f for f in fields if f.type == "relation" and raw.get(f.name)):
        target = str(raw.get(f"{field.name}.entity", "")) if field.polymorphic else field.to[0]
        try:
            id = UUID(str(raw[field.name]))
        except ValueError:
            raw[field.name] = ""
            continue
        labels = await visit.records.visible_ids(visit.actor, target, [id]) if target in visit.live.entities else {}
        label = labels.get(str(id), "")
        raw |= {f"{field.name}.text": label, f"{field.name}.was": label} if label else {field.name: ""}
    return raw


async def create(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Create a record of what the form says."""
    sent = Sent(await body(visit))
    groups, kind = _creatable(visit, sent.word(TYPE_FIELD))
    await read_values(visit, sent, [*_type_field(visit.entity), *_all(groups)])
    try:
        saved = await saving.create(visit, sent)
    except (Invalid, Conflict, Forbidden) as error:
        issues = error.issues or [Issue("", error.code, error.message)]
        return _form(visit, render, groups, sent.raw, issues, sent, error.status, About(kind=kind))
    notices = _told(visit.entity, saved, "created")
    if sent.word("_then") == "new":
        return go(visit, url(visit.path, **{TYPE_FIELD: kind.name if kind else ""}), *notices)
    return go(visit, _after(visit, sent, saved.record), *notices)


def _after(visit: PageVisit, sent: Sent, record: Record) -> str:
    back = sent.word("_next")
    return local_path(back) if back else f"/e/{visit.entity.name}/{record['id']}"


def _told(entity: Entity, saved: Saved, what: str) -> list[Notice]:
    name = saved.record.get("label") or f"The {singular(entity)}"
    link = f"/e/{entity.name}/{saved.record['id']}"
    found = [
        Notice(
            "success", f"{name} was {what}.", link if what == "created" else "", "Open it" if what == "created" else ""
        )
    ]
    if saved.merged:
        titles = ", ".join(f"{title} ({who})" for title, who in saved.merged)
        found.append(Notice("info", f"Meanwhile others changed {titles}. Their changes and yours were both kept."))
    return found + [Notice("warning", issue.message) for issue in saved.warnings[:3]]


# --- edit ---------------------------------------------------------------------------------------------------------


async def _editable(visit: PageVisit, chosen: str = "") -> tuple[Groups, Granted]:
    """Return the sections of the form of one record, and what the actor may do with this one.

    `chosen` is the type the form gives it; it is laid out as one of that type.
    """
    entity = visit.entity
    names = ("id", TYPE_FIELD) if entity.record_types and visit.reads(entity, TYPE_FIELD) else ("id",)
    record = await visit.records.get(visit.actor, entity.name, visit.id, names)
    granted = await visit.records.permitted(visit.actor, entity.name, UUID(record["id"]))
    if "update" not in granted:
        raise Forbidden(f"You may not change this {singular(entity)}.")
    typed = visit.prepared.of({TYPE_FIELD: chosen} if chosen in entity.record_types else record)
    groups = sections(visit, typed.entity, granted["update"])
    choosing = tuple(f for f in _type_field(entity) if f.name in granted["update"])
    return ([("", choosing), *groups] if choosing else groups), granted


def _type_field(entity: Entity) -> tuple[Field, ...]:
    return (entity.fields[TYPE_FIELD],) if entity.record_types else ()


async def edit_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show the form of a record."""
    groups, granted = await _editable(visit)
    record = await visit.records.get(visit.actor, visit.entity.name, visit.id)
    groups = _without(groups, record)
    about = About(record, follow=presses(visit, visit.prepared, record, granted))
    return _form(visit, render, groups, to_raw(visit.show, _all(groups), record), about=about)


def _without(groups: Groups, record: Record) -> Groups:
    """Leave out fields whose value is withheld: whoever cannot see a value must not overwrite it unseen."""
    hidden = set(record.get("_masked", ()))
    hidden |= {n for n, v in record.items() if isinstance(v, Mapping) and v.get("_restricted")}
    kept = [(title, tuple(f for f in fields if f.name not in hidden)) for title, fields in groups]
    return [section for section in kept if section[1]]


async def save(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Update a record by what the form says."""
    sent = Sent(await body(visit))
    groups, granted = await _editable(visit, sent.word(TYPE_FIELD))
    await read_values(visit, sent, [f for f in _all(groups) if sent.word(CHOOSE + f.name) != "theirs"])
    try:
        saved = await saving.update(visit, sent)
    except Clashes as clashes:
        return _conflict(visit, render, sent, clashes)
    except (Invalid, Conflict, Forbidden) as error:
        record = await visit.records.get(visit.actor, visit.entity.name, visit.id)
        groups = _without(groups, record)
        raw = {**to_raw(visit.show, _all(groups), record), **sent.raw}
        issues = error.issues or [Issue("", error.code, error.message)]
        return _form(
            visit,
            render,
            groups,
            raw,
            issues,
            sent,
            error.status,
            About(
                {**record, "version": sent.version or record["version"]},
                follow=presses(visit, visit.prepared, record, granted),
            ),
        )
    after, then = _after(visit, sent, saved.record), sent.word("_then")
    if then in visit.entity.buttons:
        after = url(f"/e/{visit.entity.name}/{saved.record['id']}/do/{then}")
    return go(visit, after, *_told(visit.entity, saved, "saved"))


def _conflict(visit: PageVisit, render: Renderer, sent: Sent, clashes: Clashes) -> Response[Any]:
    yours = {**{c.field.name: c.yours for c in clashes.clashes}, **clashes.yours}
    return render.page(
        visit,
        "conflict.html",
        412,
        title="Two changes at once",
        entity=visit.entity,
        record=clashes.record,
        clashes=clashes.clashes,
        others=clashes.others,
        yours=[visit.entity.fields[n] for n in yours if n not in {c.field.name for c in clashes.clashes}],
        inputs=still(sent.raw, yours),
        fields=",".join(yours),
        back=sent.word("_next"),
        choose=CHOOSE,
        sent=sent,
    )


def _form(
    visit: PageVisit,
    render: Renderer,
    groups: Sequence[tuple[str, tuple[Field, ...]]],
    raw: Mapping[str, Any],
    issues: Sequence[Issue] = (),
    sent: Sent | None = None,
    status: int = 200,
    about: About = NOTHING,
) -> Response[Any]:
    record, kind = about.record, about.kind
    fields = _all(groups)
    order = {f.name: n for n, f in enumerate(fields)}
    issues = sorted(issues, key=lambda issue: order.get(issue.path.split(".")[0], -1))
    suggestions = sent.suggestions if sent else {}
    shown = [Group(title, entries(visit, part, raw, issues, (), suggestions)) for title, part in groups]
    back = sent.word("_next") if sent else visit.parameter("_next")
    cancel = local_path(back) if back else f"/e/{visit.entity.name}" + (f"/{record['id']}" if record else "")
    called = kind.title if kind else singular(visit.entity)
    heading = f"Edit {record.get('label') or called}" if record else f"New {called}"
    return render.page(
        visit,
        "form.html",
        status,
        title=heading,
        entity=visit.entity,
        groups=shown,
        issues=issues,
        record=record,
        kind=kind,
        presses=about.follow,
        fields=",".join([*([TYPE_FIELD] if kind else []), *(f.name for f in fields)]),
        back=back,
        cancel=cancel,
        fields_name=FIELDS,
    )


# --- delete, restore ------------------------------------------------------------------------------------------------


async def delete_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Ask whether a record is to be deleted."""
    record = await visit.records.get(visit.actor, visit.entity.name, visit.id, ("label", "version"))
    ahead = await visit.records.consequences(visit.actor, visit.entity.name, visit.id)
    return dialog(visit, render, "delete.html", title="Delete?", record=record, issues=(), ahead=ahead)


async def delete(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Put a record into the trash."""
    sent = Sent(await body(visit))
    entity = visit.entity
    record = await visit.records.get(visit.actor, entity.name, visit.id, ("label", "version"))
    try:
        await visit.records.delete(visit.actor, entity.name, visit.id, version=sent.version)
    except (Conflict, Forbidden) as error:
        issues = error.issues or (Issue("", error.code, error.message),)
        return dialog(
            visit, render, "delete.html", error.status, title="Delete?", record=record, issues=issues, ahead=None
        )
    trash = f"/e/{entity.name}/trash" if visit.may(entity.name, "restore") else ""
    return go(
        visit,
        f"/e/{entity.name}",
        Notice("success", f"{record['label']} was deleted.", trash, "Open the trash" if trash else ""),
    )


async def trash_page(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Show what was deleted, the newest first."""
    entity = visit.entity
    if not visit.may(entity.name, "restore"):
        raise Forbidden(f"You may not restore {entity.plural}.")
    query = Query(
        sort=("-updated_at",),
        fields=("label", "updated_at", "updated_by"),
        trash="deleted",
        after=visit.parameter("after"),
    )
    page = await visit.records.list(visit.actor, entity.name, query)
    return render.page(visit, "trash.html", title=f"Deleted {entity.plural.lower()}", entity=entity, page=page)


async def restore(visit: PageVisit, render: Renderer) -> Response[Any]:
    """Take a record out of the trash."""
    entity = visit.entity
    record = await visit.records.restore(visit.actor, entity.name, visit.id)
    return go(visit, f"/e/{entity.name}/{visit.id}", Notice("success", f"{record.get('label')} was restored."))


def dialog(
    visit: PageVisit, render: Renderer, template: str, status: int = 200, beside: str = "", **shown: Any
) -> Response[Any]:
    """Return a dialog: its inside for htmx, a page of its own without JavaScript."""
    if visit.partial:
        text = render.part(visit, template, entity=visit.entity, csrf=visit.csrf, **shown)
        return html(str(text) + beside, status, hx_retarget="#dialog", hx_reswap="innerHTML")
    return render.page(visit, "dialog_page.html", status, entity=visit.entity, template=template, **shown)
