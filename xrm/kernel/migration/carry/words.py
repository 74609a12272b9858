"""What a carry does, in words for people, and the codes and hints of what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xrm.kernel.migration.carry import ways
from xrm.kernel.migration.carry.fit import Fit
from xrm.metadata.model import Field

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "not_a_choice": "let another value take over with `was: [old]`, say `convert: {map: {old: new}}`, "
        "or empty them with `convert: {otherwise: clear}`",
        "no_such_record": "correct them first, say `convert: {by: …}`, "
        "or empty them with `convert: {otherwise: clear}`",
        "points_elsewhere": "change these records first, or empty them with `convert: {otherwise: clear}`",
        "values_differ": "say which one counts: `convert: {take: first}`, last, min or max",
        "cannot_convert": "correct these values first, say `convert:` with an expression, "
        "or empty them with `convert: {otherwise: clear}`",
    }
)


def code_of(way: ways.Way, field: Field) -> str:
    """Return the code of the finding about values that do not fit."""
    if isinstance(way, (ways.Matched, ways.Found)):
        return "no_such_record"
    if isinstance(way, (ways.Narrowed, ways.Rekeyed)):
        return "points_elsewhere"
    if isinstance(way, ways.Gathered):
        return "values_differ"
    return "not_a_choice" if field.type in ("choice", "choices") else "cannot_convert"


def words_of(way: ways.Way, fit: Fit) -> str:
    """Return what becomes of the values, as half a sentence."""
    match way:
        case ways.Computed(expression=expression):
            return f"records get {expression.source}"
        case ways.Matched(target=target, key=key):
            return f"values name a {target} by {'what it is called' if key == 'label' else key}"
        case ways.Found(target=target, key=key, value=value):
            return f"records get the {target} whose {key} is {value!r}"
        case ways.Labelled():
            return "values become what the record is called"
        case ways.Rekeyed(key=key, new=new):
            return f"each {new} is found by {key}" if key else "values cannot be kept"
        case ways.Narrowed(stay=stay):
            return f"only what points to {' or '.join(stay) or 'nothing'} stays"
        case ways.Copied(relation=relation, columns=columns):
            return f"records get {relation}.{columns[0][0]}"
        case ways.Gathered(source=source, columns=columns, take=take):
            return f"records get {columns[0][0]} of their {source}" + (f", the {take}" if take else "")
    return _mapped(fit)


def _mapped(fit: Fit) -> str:
    into: dict[str, list[str]] = {}
    for old, new in fit.map.items():
        into.setdefault("nothing" if new is None else str(new), []).append(old)
    told = [f"{', '.join(olds)} become{'s' if len(olds) == 1 else ''} {new}" for new, olds in into.items()]
    return "; ".join(told) or "values stay where they fit"
