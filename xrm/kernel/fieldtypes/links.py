"""Relations to many records: lists of links, as they are sent. They are kept by a link entity, not in a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Refused, register
from xrm.kernel.fieldtypes.pointers import Lookup, parse_id
from xrm.metadata.model import Field

MAX_LINKS = 1000  # of one record by one field: sent at once, and shown
_CHANGE = frozenset({"add", "remove"})
_TOLD = frozenset({"id", "label", "link", "entity"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """One link as it was sent: where it leads, and values of the link's own fields as JSON."""

    target: UUID | Lookup
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What a write does to the links of a record.

    Attributes:
        put: The whole set as it shall be; None = it is changed by the other two.
        add: Links to make, or whose own fields to change.
        remove: Records no longer linked to.
    """

    put: tuple[Wanted, ...] | None = None
    add: tuple[Wanted, ...] = ()
    remove: tuple[Wanted, ...] = ()


def _parse(field: Field, value: Any, parsing: Parsing) -> LinkChange:
    if isinstance(value, LinkChange):
        return value
    if isinstance(value, (list, tuple)):
        return LinkChange(put=_several(field, value))
    if isinstance(value, Mapping) and value and _CHANGE.issuperset(value):
        return LinkChange(add=_several(field, value.get("add")), remove=_several(field, value.get("remove")))
    raise Refused("not_links", "This is no list of records.", 'a list of ids, or {"add": […], "remove": […]}')


def _several(field: Field, value: Any) -> tuple[Wanted, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise Refused("not_links", "This is no list of records.", "a list of ids")
    if len(value) > MAX_LINKS:
        raise Refused("too_many", f"More than {MAX_LINKS:,} records at once.", 'send fewer by {"add": […]}')
    wanted = tuple(_wanted(field, one) for one in value)
    if len({w.target for w in wanted}) < len(wanted):
        raise Refused("duplicate", "A record is in the list twice.")
    return wanted


def _wanted(field: Field, value: Any) -> Wanted:
    if not isinstance(value, Mapping):
        return Wanted(parse_id(value))
    own = field.through.fields if field.through else ()
    values = {name: value[name] for name in own if name in value}
    if isinstance(value.get("link"), Mapping):  # as it is read
        values = {**{name: v for name, v in value["link"].items() if name in own}, **values}
    if "id" in value:
        unknown = [str(name) for name in value if name not in _TOLD and name not in own]
        if unknown:
            raise Refused("unknown_field", f"A link has no field {unknown[0]!r}.", _hint(own))
        return Wanted(parse_id(value["id"]), tuple(values.items()))
    keys = [str(name) for name in value if name not in _TOLD and name not in own]
    if len(keys) != 1 or not _scalar(value[keys[0]]):
        raise Refused("not_relation", "This is neither an id nor one unique key.", 'like {"email": "ann@example.com"}')
    return Wanted(Lookup(field.to[0], keys[0], value[keys[0]]), tuple(values.items()))


def _scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and value != ""


def _hint(own: tuple[str, ...]) -> str:
    return f"fields of a link: {', '.join(own)}" if own else "a link has no fields of its own"


def _shape(field: Field) -> Mapping[str, Any]:
    properties = {
        "id": {"type": "string", "format": "uuid"},
        "label": {"type": "string"},
        "link": {"type": "object", "description": "The link record: its id and its own fields."},
    }
    return {"type": "array", "items": {"type": "object", "properties": properties}}


register(
    FieldType(
        "links",
        None,
        _parse,
        _shape,
        "records",
        "links",
        ordered=False,
        holds="any number of records of another entity (a relation with many: true)",
    )
)
