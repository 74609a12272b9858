"""ExpressionError: what is wrong with an expression, and where."""

from __future__ import annotations

from typing import ClassVar

from xrm.errors import Issue, Malformed


class ExpressionError(Malformed):
    """An expression cannot be understood; nothing but this is ever raised for the text of an author.

    Attributes:
        reason: The finding alone, one sentence.
        hint: How to mend it, or empty.
        kind: Stable code of the finding: ``syntax``, ``limit``, ``type``, ``unknown_field`` or ``unknown_function``.
        source: The text of the expression.
        position: Index into `source` of the character the finding is about.
        line, column: The same place, counted from 1.
    """

    code: ClassVar[str] = "expression_invalid"
    title: ClassVar[str] = "The expression cannot be understood"

    def __init__(self, reason: str, source: str, position: int, kind: str = "syntax", hint: str = "") -> None:
        self.reason, self.source, self.position, self.kind, self.hint = reason, source, position, kind, hint
        before = source[:position]
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        super().__init__(self._shown(), (self.issue(),))

    def issue(self, path: str = "") -> Issue:
        """Return the finding as an Issue at `path`; the place within the expression is part of the message."""
        place = f" (at {self.line}:{self.column})" if self.source else ""
        return Issue(path, f"expression_{self.kind}", self.reason + place, self.hint)

    def __str__(self) -> str:
        return self.message

    def _shown(self) -> str:
        """Return place and reason, and below them the line with a caret under the place."""
        first = self.reason + (f" ({self.hint})" if self.hint else "")
        if not self.source:
            return first
        line = self.source.split("\n")[self.line - 1]
        return "\n".join([f"{self.line}:{self.column}: {first}", *_excerpt(line, self.column - 1)])


_WIDTH = 60  # characters shown on either side of the place


def _excerpt(line: str, index: int) -> tuple[str, str]:
    """Return the part of `line` around `index`, and a line with a caret under it; tabs become blanks."""
    start = max(0, index - _WIDTH)
    part = line[start : index + _WIDTH].expandtabs(1).encode(errors="replace").decode()
    return f"  {part}", f"  {' ' * (index - start)}^"
