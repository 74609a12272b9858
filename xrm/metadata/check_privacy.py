"""Checks of what an entity says about the data of people it holds."""

from __future__ import annotations

from xrm.metadata.findings import ExpressionUse, Findings, place_of
from xrm.metadata.model import Entity

SINCE = ("date", "datetime")


def check_privacy(findings: Findings, entity: Entity) -> None:
    """Check that what is named exists, that what is to be erased can be, and that time counts from a time."""
    privacy = entity.privacy
    findings.expression(ExpressionUse(entity.name, privacy.subject, "where"), place_of(entity, "privacy.subject"))
    for index, name in enumerate(privacy.fields):
        place = place_of(entity, f"privacy.fields.{index}")
        field = findings.field(entity, name, place)
        if field is not None and (field.system or field.kind or field.through is not None):
            findings.add(place, "not_erasable", f"{name!r} is not kept in the record: it cannot be erased")
    if privacy.since:
        place = place_of(entity, "privacy.since")
        field = findings.field(entity, privacy.since, place)
        if field is not None and field.type and field.type not in SINCE:
            findings.add(place, "not_a_date", f"{privacy.since!r} is a {field.type}", "name a date or a datetime")
    if privacy.keep and not privacy.subject and not entity.personal and privacy.then == "erase":
        message = f"records of {entity.name!r} hold nothing of people that could be erased"
        findings.add(place_of(entity, "privacy.keep"), "nothing_to_erase", message, "name fields, or say then: delete")
