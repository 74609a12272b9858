"""What is computed when it is read, as SQL: formulas, lookups and rollups that no column keeps.

All of it goes through the eyes of one reader (`Visible`): a value they may not read is null, a record they may not
read does not count. A field that says ``as: system`` is looked at with the system's eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from xrm.kernel.computed.rollup import rollup
from xrm.kernel.expression import Expression
from xrm.kernel.paths import resolve
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Entity, Field

if TYPE_CHECKING:
    from xrm.kernel.visible import Visible

_TEXT = ColumnType("text")


def computed(eyes: Visible, entity: Entity, alias: str, field: Field, part: str) -> str:
    """Return the SQL of a computed field of the row `alias`, or of one part of it (the currency of an amount).

    Raises:
        LookupError: the reader may never read something it is made of.
    """
    return _WRITERS[field.kind](eyes, entity, alias, field, part)


def _lookup(eyes: Visible, entity: Entity, alias: str, field: Field, part: str) -> str:
    return eyes.path(entity, alias, (*field.of.split("."), *filter(None, [part])))


def _formula(eyes: Visible, entity: Entity, alias: str, field: Field, part: str) -> str:
    expression = eyes.live.entities[entity.name].virtual[field.name]
    value = expression.sql(eyes.binder, lambda path: eyes.path(entity, alias, path))
    if field.type != "money":
        return value
    if part and part != "currency":
        return "NULL"
    currencies = _currencies(eyes, entity, alias, expression)
    tests = [f"({value}) IS NOT NULL"] if part else []
    if len(currencies) > 1:  # amounts of several currencies make none
        mixed = " OR ".join(f"{currencies[0]} <> {other}" for other in currencies[1:])
        tests.append(f"COALESCE({mixed}, 1 = 0) = (1 = 0)")
    shown = _first(eyes, currencies) if part else value
    return f"CASE WHEN {' AND '.join(tests)} THEN {shown} END" if tests else shown


def _currencies(eyes: Visible, entity: Entity, alias: str, expression: Expression) -> list[str]:
    """Return the currencies of the amounts that a formula reads, as SQL."""
    found = []
    for path in sorted(expression.paths):
        end = resolve(eyes.live.model, entity, path)
        if end is not None and end.field.type == "money" and not end.part:
            found.append(eyes.path(entity, alias, (*path, "currency")))
    return found


def _first(eyes: Visible, currencies: list[str]) -> str:
    site = eyes.binder.bind(eyes.live.parsing.currency, _TEXT)
    return f"COALESCE({', '.join([*currencies, site])})"


_WRITERS: Mapping[str, Callable[[Visible, Entity, str, Field, str], str]] = MappingProxyType(
    {"formula": _formula, "lookup": _lookup, "rollup": rollup}
)
