"""Values that are kept and made of other records, for one record as it is about to be stored.

The SQL is that of computed/sql.py, with the system's eyes, over the row given as values: it need not be stored yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xrm.kernel import derive
from xrm.kernel.change import SYSTEM, Actor
from xrm.kernel.computed.sql import computed
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.store.store import Store
from xrm.kernel.values import columns, pack, unpack
from xrm.kernel.visible import Visible
from xrm.metadata.model import Entity, Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xrm.kernel.live import Live, LiveEntity


async def compute(
    store: Store, live: Live, prepared: LiveEntity, values: dict[str, Any], actor: Actor, now: datetime
) -> None:
    """Compute the kept formulas, lookups and rollups of a record in place.

    Formulas over own fields may need those made of other records and the other way round, so they take turns; there
    are no circles, so as many turns as there are such fields are enough.
    """
    derive.formulas(prepared.entity, prepared.formulas, values, actor, now, live.parsing)
    for _ in prepared.gathered:
        found = await _gather(store, live, prepared, values)
        if all(values.get(name) == value for name, value in found.items()):
            return
        values.update(found)
        derive.formulas(prepared.entity, prepared.formulas, values, actor, now, live.parsing)


async def _gather(store: Store, live: Live, prepared: LiveEntity, values: Mapping[str, Any]) -> dict[str, Any]:
    entity = prepared.entity
    statement: Statement = live.cached(("gather", entity.name), lambda: _statement(live, prepared))
    known = {
        f"row.{spec.name}": cell
        for field in _stored(entity)
        for spec, cell in zip(columns(field), pack(field, values.get(field.name)), strict=True)
    }
    rows = await store.fetch(statement.text, statement.arguments(live.dialect, known))
    return read(live, prepared.gathered, rows[0])


def read(live: Live, fields: Sequence[Field], cells: Sequence[Any]) -> dict[str, Any]:
    """Return the Python values of fields from the cells of `selection`."""
    found: dict[str, Any] = {}
    place = 0
    for field in fields:
        specs = columns(field)
        decoded = []
        for spec, cell in zip(specs, cells[place : place + len(specs)], strict=True):
            decode = live.dialect.decode(spec.type)
            decoded.append(cell if cell is None or decode is None else decode(cell))
        found[field.name] = decoded[0] if len(specs) == 1 else unpack(field, tuple(decoded))
        place += len(specs)
    return found


def selection(live: Live, binder: Binder, entity: Entity, alias: str, fields: Sequence[Field]) -> list[str]:
    """Return the SQL of what fields are made of, one term for each of their columns, for the row `alias`."""
    eyes = Visible(live, SYSTEM, binder)
    return [
        computed(eyes, entity, alias, field, spec.name[len(field.name) + 1 :])
        for field in fields
        for spec in columns(field)
    ]


def _stored(entity: Entity) -> Iterator[Field]:
    return (field for field in entity.fields.values() if not field.virtual and columns(field))


def _statement(live: Live, prepared: LiveEntity) -> Statement:
    binder = Binder(live.dialect)
    cells = ", ".join(
        f"{binder.bind(Var(f'row.{spec.name}', spec.type), spec.type)} AS {quote(spec.name)}"
        for field in _stored(prepared.entity)
        for spec in columns(field)
    )
    terms = ", ".join(selection(live, binder, prepared.entity, "t", prepared.gathered))
    return binder.statement(f"SELECT {terms} FROM (SELECT {cells}) t")
