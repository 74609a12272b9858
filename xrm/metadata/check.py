"""Cross-references of a whole model: every name must lead somewhere, every option must fit.

What a single file gets wrong is found when it is read (`load`, `grammar`); what layers get wrong among each other when
they are put together (`merge`). Here the complete model is looked at, one subject per module.
"""

from __future__ import annotations

from xrm.errors import Issue
from xrm.metadata.check_buttons import check_buttons
from xrm.metadata.check_fields import check_fields
from xrm.metadata.check_privacy import check_privacy
from xrm.metadata.check_record_types import check_record_types
from xrm.metadata.check_roles import check_role
from xrm.metadata.check_views import check_label, check_search, check_views
from xrm.metadata.check_workflow import check_workflow
from xrm.metadata.findings import Complaint, ExpressionCheck, ExpressionUse, Findings, field_place, place_of
from xrm.metadata.memory import Memory, Watch
from xrm.metadata.model import Entity, Inverse, Key, Model
from xrm.metadata.names import RESERVED_ENTITIES, RESERVED_PREFIXES, SYSTEM_FIELDS, did_you_mean
from xrm.metadata.types import rules_of

__all__ = ["Complaint", "ExpressionCheck", "ExpressionUse", "check"]


MAX_GROUP = 16  # fields of one index; PostgreSQL takes 32 columns, and fields may have several


def check(
    model: Model,
    expressions: ExpressionCheck | None = None,
    uncertain: frozenset[str] = frozenset(),
    memory: Memory | None = None,
) -> list[Issue]:
    """Return everything that is wrong with a model.

    Args:
        model: A complete model, as `merge.build` makes it.
        expressions: Judges formulas and conditions; None leaves them unread.
        uncertain: Names of definitions that could not be read in full. What refers to their missing parts is not
            held against anybody: the reason was noted already.
        memory: What the same caller had judged before, by the same `expressions`.
    """
    findings = Findings(model, expressions, uncertain)
    memory = memory or Memory()
    for name in model.entities:
        if uncertain or not memory.good(name, model):
            findings.issues += _judged(model, name, expressions, uncertain, memory)
    _former(findings)
    _inverses(findings)
    for role in model.roles.values():
        check_role(findings, role)
    return findings.issues


def _judged(
    model: Model, name: str, expressions: ExpressionCheck | None, uncertain: frozenset[str], memory: Memory
) -> list[Issue]:
    """Return what is wrong with one entity; when that is nothing, remember it."""
    watch = Watch(model)
    findings = Findings(watch.model, expressions, uncertain)
    entity = watch.model.entities[name]
    _name(findings, entity)
    if not entity.removed:
        _entity(findings, entity)
    watch.done()
    if not findings.issues and not uncertain:
        memory.approve(name, watch)
    return findings.issues


def _entity(findings: Findings, entity: Entity) -> None:
    check_fields(findings, entity)
    check_label(findings, entity)
    check_search(findings, entity)
    _groups(findings, entity)
    _rules(findings, entity)
    check_workflow(findings, entity)
    check_record_types(findings, entity)
    check_buttons(findings, entity)
    check_views(findings, entity)
    check_privacy(findings, entity)


def _name(findings: Findings, entity: Entity) -> None:
    name, place = entity.name, place_of(entity, "")
    if name in RESERVED_ENTITIES or name.startswith(RESERVED_PREFIXES):
        findings.add(place, "reserved_name", f"{name!r} is a name of the platform", "choose another name")
    if entity.workflow is not None and entity.workflow.field in SYSTEM_FIELDS:
        message = f"every record has a field {entity.workflow.field!r} already"
        findings.add(place_of(entity, "workflow.field"), "reserved_name", message, "choose another name")


def _groups(findings: Findings, entity: Entity) -> None:
    for number, group in enumerate(entity.indexes):
        _group(findings, entity, group, f"indexes.{number}")
    for key in (*(Key(names) for names in entity.unique), *entity.special):
        _group(findings, entity, key.fields, _place_of_key(entity, key))
        if key.where:
            use = ExpressionUse(entity.name, key.where, "unique")
            findings.expression(use, place_of(entity, f"{_place_of_key(entity, key).removesuffix('.fields')}.where"))
    for field in entity.fields.values():
        if (field.unique or field.index) and not rules_of(field).indexed:
            option = "unique" if field.unique else "index"
            message = f"values of type {field.type} cannot be {'unique' if field.unique else 'indexed'}"
            findings.add(field_place(entity, field, option), "not_indexable", message)


def _group(findings: Findings, entity: Entity, names: tuple[str, ...], path: str) -> None:
    if len(names) > MAX_GROUP:
        message = f"a key or index is made of at most {MAX_GROUP} fields"
        findings.add(place_of(entity, path), "out_of_range", message, "name those that tell most")
    for index, name in enumerate(names):
        _indexed(findings, entity, name, f"{path}.{index}")
        if name in names[:index]:
            findings.add(place_of(entity, f"{path}.{index}"), "duplicate_item", f"{name!r} is in the group twice")


def _place_of_key(entity: Entity, key: Key) -> str:
    """Return the path of a key's fields in the definition: plain keys and others stand in one list."""
    plain = not (key.where or key.ignore)
    numbers = sorted({int(p.split(".")[1]) for p in entity.origins if p.startswith("unique.")})
    special = [n for n in numbers if f"unique.{n}.fields" in entity.origins]
    own = [n for n in numbers if n not in special]
    group = own if plain else special
    keys = entity.unique if plain else entity.special
    number = next((n for n, k in zip(group, keys, strict=False) if k in (key, key.fields)), 0)
    return f"unique.{number}" if plain else f"unique.{number}.fields"


def _indexed(findings: Findings, entity: Entity, name: str, path: str) -> None:
    place = place_of(entity, path)
    field = findings.field(entity, name, place)
    if field is not None and field.virtual:
        findings.add(place, "not_indexable", f"{name!r} is computed when it is read: it cannot be indexed")
    elif field is not None and not rules_of(field).indexed:
        findings.add(place, "not_indexable", f"{name!r} is of type {field.type}: it cannot be indexed")


def _rules(findings: Findings, entity: Entity) -> None:
    for index, rule in enumerate(entity.checks):
        path = f"checks.{index}"
        if rule.field:
            findings.field(entity, rule.field, place_of(entity, f"{path}.field"))
        for key, source in (("when", rule.when), ("require", rule.require)):
            findings.expression(ExpressionUse(entity.name, source, "check"), place_of(entity, f"{path}.{key}"))
    for index, restriction in enumerate(entity.restrict):
        path = f"restrict.{index}"
        findings.expression(ExpressionUse(entity.name, restriction.where, "where"), place_of(entity, f"{path}.where"))
        for number, role in enumerate(restriction.excepted):
            if role not in findings.model.roles:
                place = place_of(entity, f"{path}.except.{number}")
                hint = did_you_mean(role, findings.model.roles)
                findings.add(place, "unknown_role", f"there is no role {role!r}", hint)


def _former(findings: Findings) -> None:
    claimed: dict[str, Entity] = {}
    for entity in (entity for entity in findings.model.entities.values() if entity.was):
        place = place_of(entity, "was")
        if entity.was in findings.model.entities:
            findings.add(place, "was_conflict", f"the former name {entity.was!r} is the name of an entity now")
        elif entity.was in claimed:
            findings.add(place, "was_conflict", f"{claimed[entity.was].name!r} was {entity.was!r} already")
        claimed.setdefault(entity.was, entity)


def _inverses(findings: Findings) -> None:
    for target, ends in findings.model.inverses.items():
        taken: dict[str, Inverse] = {}
        for end in (end for end in ends if end.name):
            _inverse(findings, findings.model.entities[target], end, taken)


def _inverse(findings: Findings, target: Entity, end: Inverse, taken: dict[str, Inverse]) -> None:
    entity = findings.model.entities[end.entity]
    place = field_place(entity, entity.fields[end.field], "inverse")
    first = taken.setdefault(end.name, end)
    if end.name in target.fields:
        message = f"{target.name!r} has a field {end.name!r} already"
        findings.add(place, "name_clash", message, "choose another name for the inverse")
    elif first is not end:
        message = f"{target.name!r} has a list {end.name!r} already, of {first.entity}.{first.field}"
        findings.add(place, "name_clash", message, "choose another name for the inverse")
