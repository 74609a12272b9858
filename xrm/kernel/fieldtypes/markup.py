"""Texts with a layout: Markdown, kept as written, and HTML, of which only what is harmless is kept."""

from __future__ import annotations

from typing import Any

import nh3

from xrm.kernel.fieldtypes.base import FieldType, Parsing, constant, register
from xrm.kernel.fieldtypes.text import parse_text, text_shape
from xrm.metadata.model import Field

_BLOCKS = ("blockquote", "br", "dd", "div", "dl", "dt", "hr", "li", "ol", "p", "pre", "ul")
_HEADS = ("h1", "h2", "h3", "h4", "h5", "h6")
_TABLES = ("table", "tbody", "td", "th", "thead", "tr")
_LETTERS = ("a", "abbr", "b", "code", "del", "em", "i", "ins", "kbd", "mark", "s", "small", "span", "strong", "u")
TAGS = frozenset((*_BLOCKS, *_HEADS, *_TABLES, *_LETTERS, "sub", "sup"))
_ATTRIBUTES = {"a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}, "td": {"colspan"}, "th": {"colspan"}}
_SCHEMES = {"http", "https", "mailto", "tel"}


def harmless(html: str) -> str:
    """Return HTML without what could act or mislead: scripts, styles, frames, forms, images, foreign attributes.

    Doing it twice changes nothing. Links tell the other side nothing and open without power over this page.
    """
    return nh3.clean(
        html, tags=set(TAGS), attributes=_ATTRIBUTES, url_schemes=_SCHEMES, link_rel="noopener noreferrer nofollow"
    )


def words_of(html: str) -> str:
    """Return the text of HTML without its tags, for lists, labels and search."""
    spaced = html.replace("<", " <")  # so that paragraphs and cells do not run into each other
    text = nh3.clean(spaced, tags=set())
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&nbsp;", " "), ("&amp;", "&")):
        text = text.replace(entity, sign)
    return " ".join(text.split())


def _parse_html(field: Field, value: Any, parsing: Parsing) -> str | None:
    text = parse_text(field, value, parsing)
    clean = harmless(text).strip() if text else ""
    return clean if words_of(clean) or "<hr" in clean else None


_TEXT = constant("text")

register(
    FieldType(
        "markdown",
        _TEXT,
        parse_text,
        text_shape,
        "text",
        "markdown",
        cell="long",
        ordered=False,
        holds="a text with Markdown (CommonMark), kept as written and shown with its layout",
    ),
    FieldType(
        "rich_text",
        _TEXT,
        _parse_html,
        text_shape,
        "text",
        "rich_text",
        sought=words_of,
        cell="long",
        ordered=False,
        holds="a text with HTML; what could act, such as scripts, is taken out when it is written and when it is shown",
    ),
)
