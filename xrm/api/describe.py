"""The model as JSON: what an actor may know of it.

Without ``model.read`` an actor sees the entities and fields they may read, with what a client needs to show and write
them. With it they see every definition in full, where each was written, and the files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from xrm.kernel.change import Actor
from xrm.kernel.live import Live
from xrm.kernel.policy import ACTIONS, visibility
from xrm.kernel.query import HIDDEN
from xrm.kernel.values import TYPES, all_parts
from xrm.metadata.model import Entity, Field, Origin, RecordType, View, Workflow
from xrm.metadata.names import TYPE_FIELD

READ = "model.read"
_RENAMED = {"field_class": "class", "over": "field", "sight": "as", "sources": "from", "target": "to"}
_OWN = ("name", "title", "plural", "description", "icon", "group", "timeline")
_FULL = ("uses", "unique", "indexes", "search", "checks", "restrict", "privacy", "buttons", "label", "origin")
_WITHHELD = frozenset(
    {
        *("formula", "of", "where", "compute", "over", "stored", "sight", "across", "reads", "foreign"),
        *("default", "backfill", "was", "removed", "origin", "origins", "number", "reset", "gapless"),
    }
)


def describe(live: Live, actor: Actor) -> dict[str, Any]:
    """Return what the actor may know of the model in force."""
    full = live.policy.may(actor, READ)
    entities = live.model.entities.values() if full else live.policy.entities(actor)
    found: dict[str, Any] = {
        "generation": live.generation,
        "entities": [entity_json(live, actor, e, full=full) for e in entities if not e.removed],
    }
    if full:
        found["traits"] = [plain(trait) for trait in live.model.traits.values()]
        found["roles"] = [plain(role) for role in live.model.roles.values()]
        found["layers"] = list(dict.fromkeys(source.layer for source in live.model.sources))
        found["sources"] = [plain(source) for source in live.model.sources]
    elif live.policy.may(actor, "users.edit"):
        found["roles"] = [{"name": r.name, "title": r.title} for r in live.model.roles.values()]
    return found


def entity_json(live: Live, actor: Actor, entity: Entity, *, full: bool) -> dict[str, Any]:
    """Return an entity: in full, or what the actor may know of it."""
    known = frozenset(entity.fields) if full else readable(live, actor, entity)
    writable = {
        action: access.writable() if (access := live.policy.access(actor, entity.name, action)) else frozenset()
        for action in ("create", "update")
    }
    shown: dict[str, Any] = {
        **{name: getattr(entity, name) for name in _OWN},
        "actions": _actions(live, actor, entity),
        "fields": [
            _field(_pointing(live, actor, f, full), full, writable) for f in entity.fields.values() if f.name in known
        ],
        "views": [_view(v, known, full) for v in entity.views.values()],
        "inverses": [plain(end) for end in live.model.inverses[entity.name] if _known(live, actor, end.entity, full)],
    }
    if entity.workflow is not None and entity.workflow.field in known:
        shown["workflow"] = _workflow(entity.workflow, known, full)
    if TYPE_FIELD in known and entity.record_types:
        shown["record_types"] = [_record_type(kind, known, full) for kind in entity.record_types.values()]
    if full:
        extra = plain(entity)
        shown |= {name: extra[name] for name in _FULL if name in extra}
    return shown


def readable(live: Live, actor: Actor, entity: Entity) -> frozenset[str]:
    """Return the fields of an entity the actor may read on some records."""
    access = live.policy.access(actor, entity.name, "read")
    if access is None:
        return frozenset()
    return frozenset(
        f.name
        for f in entity.fields.values()
        if f.name not in HIDDEN and not f.removed and visibility(access, f.name) is not None
    )


def _known(live: Live, actor: Actor, entity: str, full: bool) -> bool:  # noqa: FBT001 - a fact about the actor
    return full or live.policy.access(actor, entity, "read") is not None


def _actions(live: Live, actor: Actor, entity: Entity) -> list[dict[str, Any]]:
    """Return what the actor may do with some records: the plain actions, then buttons and actions of plugins."""
    may = live.policy.access
    found: list[dict[str, Any]] = [{"name": name} for name in ACTIONS if may(actor, entity.name, name)]
    for action in live.entities[entity.name].actions.values():
        if may(actor, entity.name, f"run:{action.name}"):
            fields = [_field(f, False, {}) for f in action.fields]  # noqa: FBT003
            looks = {key: said for key in ("icon", "color", "confirm") if (said := getattr(action, key))}
            found.append({"name": action.name, "title": action.title, **looks, "fields": fields})
    return found


def _pointing(live: Live, actor: Actor, field: Field, full: bool) -> Field:  # noqa: FBT001
    """Return a relation that names only what the actor may know of."""
    if full or field.type not in ("relation", "links"):
        return field
    known = tuple(name for name in field.to if name == "*" or _known(live, actor, name, full))
    return dataclasses.replace(field, to=known)


def _field(field: Field, full: bool, writable: Mapping[str, frozenset[str]]) -> dict[str, Any]:  # noqa: FBT001
    shown: dict[str, Any] = plain(field)
    if not full:
        shown = {name: value for name, value in shown.items() if name not in _WITHHELD}
    if field.type in ("relation", "links"):
        shown.setdefault("to", [])
    if field.through is not None:
        shown["type"] = "relation"  # as it is written: many is true
    shown["schema"] = dict(TYPES[field.type].schema(field))
    if several := all_parts(field):
        shown["parts"] = [{"name": p.name, "type": p.column.name, "written": p.written} for p in several]
    if field.formula or field.kind or field.type == "auto_number":
        shown["read_only"] = True
    for action, names in writable.items():
        shown[action] = field.writable and field.name in names
    return shown


def _view(view: View, known: frozenset[str], full: bool) -> dict[str, Any]:  # noqa: FBT001
    shown: dict[str, Any] = plain(view)
    if full:
        return shown
    for name in ("columns", "filters", "sort", "card"):
        if name in shown:
            shown[name] = [path for path in shown[name] if path.lstrip("-").partition(".")[0] in known]
    if "sections" in shown:
        shown["sections"] = [{**s, "fields": [f for f in s["fields"] if f in known]} for s in shown["sections"]]
    hidden = {"filter", "origin", *(name for name in ("by", "sum") if shown.get(name) not in known)}
    return {name: value for name, value in shown.items() if name not in hidden}


def _record_type(kind: RecordType, known: frozenset[str], full: bool) -> dict[str, Any]:  # noqa: FBT001
    shown: dict[str, Any] = plain(kind)
    if full:
        return shown
    for name in ("origin", "checks", "defaults", "was"):
        shown.pop(name, None)
    for name in ("hidden", "required"):
        shown[name] = [field for field in shown.get(name, ()) if field in known]
    shown["choices"] = {name: left for name, left in shown.get("choices", {}).items() if name in known}
    sections = ({**s, "fields": [f for f in s["fields"] if f in known]} for s in shown.get("sections", ()))
    return shown | {"sections": [section for section in sections if section["fields"]]}


def _workflow(workflow: Workflow, known: frozenset[str], full: bool) -> dict[str, Any]:  # noqa: FBT001
    shown: dict[str, Any] = plain(workflow)
    if not full:
        shown.pop("origin", None)
        shown["transitions"] = [
            {
                **{n: t[n] for n in ("name", "title", "from", "to", "roles") if n in t},
                "ask": [name for name in t.get("ask", ()) if name in known],
            }
            for t in shown.get("transitions", ())
        ]
    return shown


def plain(value: Any) -> Any:
    """Return a definition as JSON data, without what has its default value."""
    if isinstance(value, Origin):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            _RENAMED.get(f.name, f.name): plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if _telling(value, f)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, frozenset):
        return [plain(inner) for inner in sorted(value)]
    return [plain(inner) for inner in value] if isinstance(value, (tuple, list)) else value


def _telling(owner: Any, field: dataclasses.Field[Any]) -> bool:
    value = getattr(owner, field.name)
    if isinstance(value, Origin):
        return bool(str(value))
    empty = isinstance(value, (Mapping, tuple, frozenset)) and not value
    return not empty and (field.default is dataclasses.MISSING or value != field.default)
