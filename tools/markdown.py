"""Making Markdown: pages, tables, docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Any


def page(*parts: str) -> str:
    """Return the paragraphs of a page, each freed from the indentation it has in the code."""
    return "\n\n".join(re.sub(r"\n {4,}", " ", part) for part in parts if part)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def code(text: str) -> str:
    """Return text in the type of code."""
    return f"`{text}`"


def shown(default: Any) -> str:
    """Return a default as it would be written in YAML."""
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, tuple):
        return code("[" + ", ".join(f'"{item}"' for item in default) + "]")
    return code(str(default)) if default != "" else "(empty)"


def text_of(thing: Any) -> str:
    """Return a docstring as Markdown: sections such as ``Attributes:`` become lists."""
    lines: list[str] = []
    section = False
    for line in (inspect.getdoc(thing) or "").replace("``", "`").splitlines():
        if re.fullmatch(r"(Attributes|Args|Raises|Returns):", line):
            section = True
        elif section and (found := re.fullmatch(r"    (\w+): (.*)", line)):
            lines.append(f"- `{found[1]}`: {found[2]}")
        elif section and line.startswith("        "):
            lines[-1] += " " + line.strip()
        else:
            section = section and not line.strip()
            lines.append(line)
    return "\n".join(lines).strip()


def first_line(thing: Any) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").replace("``", "`")


def sentence(text: str) -> str:
    """Return a help line as a sentence."""
    return (text[:1].upper() + text[1:]).rstrip(".") + "." if text else ""
