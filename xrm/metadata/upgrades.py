"""What an upgrade of a plugin changes below what a later layer decided: told, since the later value stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xrm.errors import Issue
from xrm.metadata.model import Check, Entity, Grant, Model, Origin, Override, Restriction, Role

CODE = "overridden_change"
_SHOWN = 60


def overridden_changes(old: Model, new: Model) -> list[Issue]:
    """Return a notice per overridden property whose value below the override differs between two models.

    Compared are the values of the earlier layers: what they said when the override was last put in force, and what
    they say now. An override that is new itself is no notice: whoever wrote it saw what is below.

    Args:
        old: The model in force.
        new: The one to come.
    """
    return [*_changed(old, new), *_withdrawn(old, new)]


def _changed(old: Model, new: Model) -> Iterator[Issue]:
    for path, now in new.overrides.items():
        before = old.overrides.get(path)
        if before is None and not _was_set(old, path, now.origin.layer):
            continue
        earlier = before.earlier if before is not None else None
        if earlier != now.earlier and now.earlier != now.value:
            first = "sets" if before is None else f"changed from {_said(earlier)} to"
            yield _notice(path, now, f"{first} {_said(now.earlier)}")


def _withdrawn(old: Model, new: Model) -> Iterator[Issue]:
    for path, before in old.overrides.items():
        if path not in new.overrides and _was_set(new, path, before.origin.layer):
            message = (
                f"{before.earlier_origin.layer!r} no longer says what it said ({_said(before.earlier)}); "
                f"{before.origin.layer!r} keeps {_said(before.value)}"
            )
            yield Issue(_short(path), CODE, message, f"set at {before.origin}", "warning")


def _notice(path: str, now: Override, change: str) -> Issue:
    message = (
        f"{now.earlier_origin.layer!r} {change} at {now.earlier_origin}; "
        f"{now.origin.layer!r} keeps {_said(now.value)}, set at {now.origin}"
    )
    return Issue(_short(path), CODE, message, "take the later line out to follow the earlier layer", "warning")


def _was_set(model: Model, path: str, layer: str) -> bool:
    """Return whether `layer` set the property at `path` of a model."""
    name, _, rest = path.partition(".")
    return any(origin.layer == layer for origin in _origins(model, name, rest))


def _origins(model: Model, name: str, rest: str) -> Iterator[Origin]:
    entity = model.entities.get(name)
    kind, _, below = rest.partition(".")
    field, _, option = below.partition(".")
    if entity is not None and kind == "fields" and field in entity.fields:
        origins = entity.fields[field].origins
        yield from (origins[option] for _ in (0,) if option in origins)
    for part in (entity, model.roles.get(name)):
        path = rest if part is None else _numbered(part, rest)
        if part is not None and path in part.origins:
            yield part.origins[path]


def _numbered(part: Entity | Role, path: str) -> str:
    """Return a path with the number of a named check or grant in the place of its name."""
    kind, _, below = path.partition(".")
    name, _, option = below.partition(".")
    named: tuple[Check | Grant | Restriction, ...] = part.grants if isinstance(part, Role) else part.checks
    if isinstance(part, Entity) and kind == "restrict":
        named = part.restrict
    numbers = {each.name: number for number, each in enumerate(named) if each.name}
    return f"{kind}.{numbers[name]}.{option}" if kind in ("checks", "restrict", "grants") and name in numbers else path


def _short(path: str) -> str:
    """Return the path as `xrm explain` takes it: ``deal.amount.min``."""
    return path.replace(".fields.", ".", 1)


def _said(value: Any) -> str:
    text = repr(value) if value is not None else "nothing"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
