"""Markdown and HTML of records as pages show them: always cleaned, whatever the database holds."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from xrm.kernel.fieldtypes.markup import harmless, words_of


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> Markup:
    """Return Markdown (CommonMark, with tables) as HTML; HTML inside of it is shown as text."""
    return Markup(harmless(_reader().render(text)))  # noqa: S704  # cleaned


def rich(html: str) -> Markup:
    """Return HTML without what could act."""
    return Markup(harmless(html))  # noqa: S704  # cleaned


def plain_markdown(text: str) -> str:
    """Return the words of Markdown on one line."""
    return words_of(_reader().render(text))
