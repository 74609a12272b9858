"""What an expression names, without understanding it: the language itself is the kernel's.

Enough to know what a computed field is made of: the paths of fields and the functions called. Texts are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(
    rf"""'(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*" | [0-9]+(?:\.[0-9]+)?
      | (?P<path>{_WORD}(?:\s*\.\s*{_WORD})*)(?P<call>\s*\()?""",
    re.VERBOSE,
)
_WORDS = frozenset({"in", "true", "false", "null"})
_TIMES = frozenset({"today", "now"})


@dataclass(frozen=True, slots=True)
class Named:
    """The paths and functions of an expression, in the order they are written."""

    paths: tuple[tuple[str, ...], ...]
    functions: frozenset[str]
    counts: tuple[int, ...] = ()  # how often each path is written

    @property
    def timely(self) -> bool:
        """Whether it depends on the time."""
        return bool(self.functions & _TIMES)


def named(source: str) -> Named:
    """Return what `source` names; of what is no expression whatever looks like a name."""
    paths: dict[tuple[str, ...], int] = {}
    functions: set[str] = set()
    for token in _TOKEN.finditer(source):
        parts = tuple(part.strip() for part in (token["path"] or "").split("."))
        if token["call"]:
            functions.add(parts[-1])
            parts = parts[:-1]
        if parts and parts[0] and not (len(parts) == 1 and parts[0] in _WORDS):
            paths[parts] = paths.get(parts, 0) + 1
    return Named(tuple(paths), frozenset(functions), tuple(paths.values()))
