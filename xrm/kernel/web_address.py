"""Web addresses made of a record: a template with expressions in braces, whose host no record can choose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

from xrm.kernel.derive import Read
from xrm.kernel.expression import Expression, ExpressionError, Scope
from xrm.kernel.expression import compile as compile_expression

_HOLE = re.compile(r"\{([^{}]*)\}")
_START = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?[/?#]")
_HINT = "begin with https://host/, or write {field} alone to open the address in that field"
MAX_ADDRESS = 2_000  # characters: what browsers and servers take without doubt


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A template: texts and expressions in turn. One lone expression is a whole address."""

    parts: tuple[str | Expression, ...]

    def evaluate(self, read: Read, now: datetime) -> str:
        """Return the address for a record, or empty when there is none that may be opened.

        Values are percent-encoded (RFC 3986): none can leave its place in the path or query.
        """
        lone = self.parts[0] if len(self.parts) == 1 else ""
        if isinstance(lone, Expression):
            found = _text(lone.evaluate(read, now))
        else:
            found = "".join(p if isinstance(p, str) else _encoded(_text(p.evaluate(read, now))) for p in self.parts)
        return found if len(found) <= MAX_ADDRESS and is_safe(found) else ""


def is_safe(address: str) -> bool:
    """Return whether an address is one of https, names a host, and hides nothing."""
    if not address.isprintable() or re.search(r"[\s\\]", address):
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False


def _encoded(text: str) -> str:
    """Return a value for a place in an address; a lone ``..`` would climb out of its folder."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def expressions_of(source: str) -> list[str]:
    """Return the texts of the expressions in a template."""
    return [hole[1] for hole in _HOLE.finditer(source)]


def compile_address(source: str, scope: Scope) -> WebAddress:
    """Return the template that `source` is.

    Raises:
        ExpressionError: one of its expressions cannot be understood, or a record could choose the host.
    """
    parts = tuple(_parts(source, scope))
    if not parts or (isinstance(parts[0], str) and not _START.match(parts[0] + ("/" if len(parts) == 1 else ""))):
        raise ExpressionError("this is no web address with a host of its own", source, 0, "syntax", _HINT)
    if len(parts) > 1 and not isinstance(parts[0], str):
        raise ExpressionError("the host of the address would come from the record", source, 0, "syntax", _HINT)
    return WebAddress(parts)


def _parts(source: str, scope: Scope) -> Iterator[str | Expression]:
    done = 0
    for hole in _HOLE.finditer(source):
        yield from _plain(source, done, hole.start())
        yield _expression(source, hole.start(1), hole[1], scope)
        done = hole.end()
    yield from _plain(source, done, len(source))


def _plain(source: str, start: int, end: int) -> Iterator[str]:
    text = source[start:end]
    wrong = re.search(r"[{}\s\\]", text)
    if wrong is not None:
        character = "a space" if wrong[0].isspace() else f"a {wrong[0]!r} alone"
        raise ExpressionError(
            f"{character} cannot stand in a web address", source, start + wrong.start(), "syntax", _HINT
        )
    if text:
        yield text


def _expression(source: str, start: int, text: str, scope: Scope) -> Expression:
    try:
        found = compile_expression(text, scope)
    except ExpressionError as error:
        raise ExpressionError(error.reason, source, start + error.position, error.kind, error.hint) from None
    if found.type.name in ("list", "json", "texts", "null"):
        raise ExpressionError(f"{found.type} cannot stand in a web address", source, start, "type")
    return found
