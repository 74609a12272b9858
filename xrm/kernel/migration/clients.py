"""What a planned model breaks for clients of the API: names that go, shapes that change, values newly asked for."""

from __future__ import annotations

from collections.abc import Iterator

from xrm.errors import Issue
from xrm.kernel.migration.ancestry import Ancestry
from xrm.metadata.model import Entity, Field

_HINT = "tell whoever uses the API before you apply this"


def api_breaking(ancestry: Ancestry) -> Iterator[Issue]:
    """Yield a warning for each entity and field whose requests or answers no longer are what clients rely on."""
    for before in ancestry.before.entities.values():
        entity = ancestry.successor(before)
        if entity is None:
            yield _issue(before.name, f"/api/{before.name} is gone.")
            continue
        if entity.name != before.name:
            yield _issue(entity.name, f"/api/{before.name} becomes /api/{entity.name}.")
        for known in before.fields.values():
            if not known.system and (texts := list(_field(ancestry, before, entity, known))):
                yield _issue(f"{before.name}.{known.name}", " ".join(texts))
        for field in entity.fields.values():
            if _asked_for(field) and ancestry.field(before, entity, field.name) is None:
                yield _issue(f"{entity.name}.{field.name}", "A new record needs a value for it.")


def _issue(path: str, message: str) -> Issue:
    return Issue(path, "api_breaking", f"Clients: {message}", _HINT, "warning")


def _asked_for(field: Field) -> bool:
    return field.required and field.default is None and field.writable and not field.removed


def _field(ancestry: Ancestry, before: Entity, entity: Entity, known: Field) -> Iterator[str]:
    field = ancestry.field_after(before, entity, known.name)
    if field is None:
        yield f"{known.name} is gone."
        return
    if field.name != known.name:
        yield f"{known.name} becomes {field.name}."
    if (field.type, field.polymorphic) != (known.type, known.polymorphic):
        yield f"{field.name} changes its type from {known.type} to {field.type}."
    gone = [c.name for c in known.choices if c.name not in {choice.name for choice in field.choices}]
    if gone and field.type == known.type:
        yield f"{field.name} knows {', '.join(gone)} no more."
    if known.writable and not field.writable:
        yield f"{field.name} can no longer be written."
    elif _asked_for(field) and not _asked_for(known):
        yield f"A new record needs a value for {field.name}."
