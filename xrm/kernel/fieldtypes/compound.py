"""What the types of several columns share: reading an object of parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from xrm.kernel.fieldtypes.base import Refused
from xrm.kernel.fieldtypes.text import clean_text

MAX_PART = 200  # characters of one part that is a text


def only_known(value: Mapping[str, Any], names: Iterable[str], what: str) -> None:
    """Refuse an object with a key that is no part of the value; `what` names the value in the message."""
    known = tuple(names)
    if unknown := sorted(str(key) for key in value if key not in known):
        raise Refused("unknown_key", f"{what} has no {unknown[0][:40]!r}.", f"parts: {', '.join(known)}")


def line(value: Any, part: str, limit: int = MAX_PART) -> str | None:
    """Return one part as a text of one line, or None when it is empty; raises `Refused` beside the part."""
    if value is None:
        return None
    return " ".join(_clean(value, part, limit).split()) or None


def lines(value: Any, part: str, limit: int = MAX_PART) -> str | None:
    """Return one part as a text of several lines without empty ones, or None; raises `Refused` beside the part."""
    if value is None:
        return None
    return "\n".join(filter(None, (" ".join(row.split()) for row in _clean(value, part, limit).splitlines()))) or None


def _clean(value: Any, part: str, limit: int) -> str:
    try:
        return clean_text(value, limit)
    except Refused as refused:
        raise Refused(refused.code, str(refused), refused.hint, part) from None
