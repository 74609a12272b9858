"""A record made of another: what the actor may read there and write here, but for what makes a record the one it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xrm.kernel.acts import Act
from xrm.kernel.change import Actor
from xrm.kernel.history.sight import Seen, Sight
from xrm.kernel.links import LinkReading
from xrm.kernel.policy import Access
from xrm.kernel.query import RESTRICTED
from xrm.kernel.values import parse, to_json
from xrm.metadata.model import Entity

if TYPE_CHECKING:
    from xrm.kernel.live import Live


async def copied(sight: Sight, act: Act, access: Access, seen: Seen, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Python values a copy of a record takes over.

    Left out are values of unique keys, the state, numbers that count up, secrets, what is computed, and relations to
    records that are withheld from the actor.
    """
    entity, own = access.entity, _own(access.entity)
    may = seen.fields & access.writable() - own
    fields = (f for f in entity.fields.values() if f.name in may and f.writable and f.type != "secret")
    found = {f.name: values[f.name] for f in fields if not f.through and values.get(f.name) is not None}
    told = {name: to_json(value) for name, value in found.items()}
    await sight.withhold(act.actor, entity, [told])
    return {name: value for name, value in found.items() if told[name] != RESTRICTED}


def _own(entity: Entity) -> frozenset[str]:
    """Return the fields that tell a record from others."""
    keys = {name for key in entity.keys for name in key.fields}
    state = {entity.workflow.field} if entity.workflow else set()
    return frozenset({f.name for f in entity.fields.values() if f.unique} | keys | state)


async def copied_links(reading: LinkReading, act: Act, access: Access, seen: Seen, id: UUID) -> dict[str, Any]:
    """Return the links a copy of a record takes over, as far as the actor sees and may make them."""
    live: Live = act.live
    actor: Actor = act.actor
    found: dict[str, Any] = {}
    for field in access.entity.fields.values():
        if field.through and field.name in seen.fields & access.writable():
            links = (await reading.of(live, actor, field, [id])).get(str(id), [])
            if links:
                found[field.name] = parse(field, [link["id"] for link in links], live.parsing)
    return found
