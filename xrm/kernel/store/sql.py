"""SQL text with its parameters: the only way values and names get into a statement.

Every value goes through `Binder.bind`, every identifier through `quote`; nothing else builds SQL text from data.
Placeholders are numbered (``?1`` on SQLite, ``$1::type`` on PostgreSQL), so fragments may be put together in any order,
and a statement whose text is the same for all actors (with `Var` for what differs) can be cached and re-bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.schema import ColumnType

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def quote(name: str) -> str:
    """Return `name` as a quoted SQL identifier.

    Raises:
        ValueError: it is not an identifier the kernel could have made.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"not an identifier: {name!r}")
    return f'"{name}"'


@dataclass(frozen=True, slots=True)
class Var:
    """A parameter whose value is known only when the statement runs, e.g. ``user.id``."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text and its parameters, ready to cache."""

    text: str
    params: tuple[Any, ...]  # stored values, or Var

    def arguments(self, dialect: Dialect, variables: Mapping[str, Any]) -> list[Any]:
        """Return the parameters for one execution, each Var replaced by its encoded value."""
        return [dialect.encode(p.type, variables.get(p.name)) if type(p) is Var else p for p in self.params]


class Binder:
    """Collects parameters while SQL text is being put together."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.params: list[Any] = []

    def bind(self, value: Any, type: ColumnType) -> str:
        """Add a parameter (a Python value, or a Var) and return its placeholder."""
        self.params.append(value if isinstance(value, Var) else self.dialect.encode(type, value))
        return self.dialect.placeholder(len(self.params), type)

    def statement(self, text: str) -> Statement:
        """Return the finished statement."""
        return Statement(text, tuple(self.params))
