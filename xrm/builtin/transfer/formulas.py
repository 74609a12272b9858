"""Texts that a spreadsheet would take for a formula are guarded by a quotation mark (OWASP, CSV injection)."""

from __future__ import annotations

_FORMULA = frozenset("=+-@\t\r")


def guarded(cell: str) -> str:
    """Return a cell so that no spreadsheet takes it for a formula: the inverse of `plain`, of any text."""
    return f"'{cell}" if _begins_one(cell) else cell


def plain(cell: str) -> str:
    """Return a cell without the quotation mark that keeps a spreadsheet from taking it for a formula."""
    return cell[1:] if cell.startswith("'") and _begins_one(cell) else cell


def _begins_one(cell: str) -> bool:
    """Whether a text begins a formula, or one that is guarded already."""
    return cell.lstrip("'")[:1] in _FORMULA
