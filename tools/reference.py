#!/usr/bin/env python3
"""Write docs/reference from the code, or with ``--check`` tell which pages are not what the code says.

Each page is one function below that returns Markdown. A page says nothing that the code does not: texts are the help of
settings and arguments, the descriptions of the grammar, and docstrings.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import xrm
from xrm import errors
from xrm.kernel import hooks, values
from xrm.metadata import grammar
from xrm.metadata.codes import CODES
from xrm.metadata.model import Choice, Field
from xrm.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference"
MADE = "<!-- Made by tools/reference.py from the code; change it there. -->\n\n"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page is out of date")
    check = parser.parse_args(arguments).check
    pages = {f"{name}.md": MADE + make() + "\n" for name, make in PAGES.items()}
    stale = sorted(name for name, text in pages.items() if read(TARGET / name) != text)
    strays = sorted(file.name for file in TARGET.glob("*.md") if file.name not in pages)
    if not check:
        write(pages, strays)
        return 0
    for name in stale:
        print(f"docs/reference/{name} is not what the code says; `make docs` writes it.", file=sys.stderr)
    for name in strays:
        print(f"docs/reference/{name} is made by no page of tools/reference.py.", file=sys.stderr)
    return 1 if stale or strays else 0


def write(pages: Mapping[str, str], strays: Iterable[str]) -> None:
    """Write the pages that changed and take away those that are no more."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        if read(TARGET / name) != text:
            (TARGET / name).write_text(text, encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    for name in strays:
        (TARGET / name).unlink()
        print(f"removed docs/reference/{name}")


def read(file: Path) -> str:
    """Return a page as it stands, empty when there is none."""
    return file.read_text(encoding="utf-8") if file.exists() else ""


# ---------------------------------------------------------------------------------------------------------- pages
def overview() -> str:
    """The list of pages."""
    lines = [f"- [{title(name)}]({name}.md)" for name in PAGES if name != "README"]
    return page(
        "# Reference",
        "Made from the code by `make docs`; `make check` fails when they differ.",
        "\n".join(lines),
    )


def settings() -> str:
    """xrm.yaml and the XRM_ variables."""
    rows = [
        (code(item.name), code(f"XRM_{item.name.upper()}"), shown(item.default), item.metadata["help"])
        for item in dataclasses.fields(Settings)
        if item.name != "folder"
    ]
    return page(
        "# Settings",
        """A setting is written in the site's `xrm.yaml`, or given as a variable of the environment, which wins. Lists
        in a variable are separated by commas. An unknown name is an error.""",
        table(("in xrm.yaml", "variable", "default", "what it is"), rows),
    )


def error_codes() -> str:
    """Errors of requests, and codes of findings."""
    kinds = sorted((k for k in vars(errors).values() if is_error(k)), key=lambda kind: (kind.status, kind.code))
    return page(
        "# Errors",
        """Every error has a code that stays the same from version to version; messages may change. Over HTTP an error
        is `application/problem+json` (RFC 9457) with `code` and, where something can be mended, `issues`: each has a
        `path`, a `code`, a `message` and often a `hint`.""",
        "## Errors of a request",
        table(("code", "status", "when"), [(code(k.code), str(k.status), first_line(k)) for k in kinds]),
        "## Findings in definitions",
        "What `xrm check` and the studio say about files; the path is `file:line:column`.",
        table(("code", "meaning"), [(code(name), text) for name, text in CODES.items()]),
        "## Findings in values",
        "What a form, an import and the API say about a record; the path is the field.",
        table(("code", "such as"), [(code(name), text) for name, text in sorted(value_codes().items())]),
    )


def field_types() -> str:
    """The types of fields."""
    rows = []
    for name, kind in values.TYPES.items():
        sample = Field(name="x", type=name, title="X", choices=(Choice("a", "A"), Choice("b", "B")), to=("party",))
        column = kind.column(sample).name
        rows.append((code(name), HOLDS[name], json_form(kind.schema(sample)), code(kind.expression), code(column)))
    return page(
        "# Field types",
        """The `type` of a field decides what it holds, how it is shown and checked, and how it is kept. Options of each
        are in [the grammar](grammar.md#field).""",
        table(("type", "holds", "in the API", "in expressions", "column"), rows),
        "Money has a second column for its currency, a relation to several entities one for the entity.",
    )


def grammar_page() -> str:
    """The keys of the YAML files."""
    parts = [
        "# Grammar of the files",
        """A file holds one or more definitions, separated by `---`. The first key names the kind. Unknown keys are
        errors. The same as JSON Schema: `xrm/metadata/schema/`.""",
    ]
    for kind in grammar.KINDS:
        parts += [f"## {kind}", grammar.schema(kind).get("description", ""), keys(kind, grammar.schema(kind))]
    parts += ["## Parts of definitions"]
    for kind in grammar.KINDS:
        for name, part in grammar.schema(kind).get("$defs", {}).items():
            if "properties" in part:
                parts += [f"### {name}", part.get("description", ""), keys(kind, part)]
    return page(*parts)


def plugins() -> str:
    """What a plugin may import, and the hooks it may fill."""
    names = [
        name for name in sorted(xrm.__all__) if inspect.isclass(getattr(xrm, name)) and name != hooks.Handlers.__name__
    ]
    parts = [part for name in names for part in (f"### {name}", text_of(getattr(xrm, name)))]
    return page(
        "# For plugin authors",
        """A plugin imports `xrm` and nothing else of it. These are the names of that face, and the hooks a plugin's
        `__init__.py` may fill with functions marked `@xrm.hookimpl`.""",
        "## Hooks",
        *described(hooks.Specs),
        "## Record moments",
        *described(hooks.Handlers),
        "## Names",
        *parts,
    )


# ------------------------------------------------------------------------------------------------- reading the code
HOLDS: Mapping[str, str] = MappingProxyType({
    "text": "one line of text",
    "long_text": "text of several lines",
    "integer": "a whole number of 64 bits",
    "decimal": "an exact number, with `precision` digits of which `scale` after the point",
    "money": "an amount and its currency",
    "percent": "a number of hundredths",
    "boolean": "yes or no",
    "date": "a day",
    "time": "a time of day",
    "datetime": "a moment, kept in UTC",
    "choice": "one of the field's choices",
    "choices": "several of the field's choices",
    "relation": "a record of another entity",
    "email": "an e-mail address",
    "phone": "a telephone number",
    "url": "a web address",
    "tags": "words anyone may add",
    "json": "any JSON value",
    "uuid": "a UUID",
    "auto_number": "a number the platform gives, after the field's pattern",
    "duration": "a length of time in minutes",
})  # fmt: skip


def is_error(thing: object) -> bool:
    """Tell whether something of xrm.errors is an error with a code of its own."""
    return inspect.isclass(thing) and issubclass(thing, errors.XrmError) and thing is not errors.XrmError


def value_codes() -> Mapping[str, str]:
    """Return the codes a record's values are refused with, each with the first message it is raised with."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "xrm" / "kernel").glob("*.py")):
        for call in (n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)):
            words = call.args[{"Refused": 0, "Issue": 1}.get(name_of(call), len(call.args)) :]
            if len(words) > 1 and isinstance(words[0], ast.Constant) and (message := literal(words[1])):
                found.setdefault(str(words[0].value), message)
    return found


def name_of(call: ast.Call) -> str:
    """Return the name of what is called, without what it belongs to."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def literal(node: ast.expr) -> str:
    """Return a text as it stands in the code, with … for what is filled in; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "…"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def keys(kind: str, schema: Mapping[str, Any]) -> str:
    """Return the table of keys of a part of the grammar of `kind`."""
    required = schema.get("required", ())
    rows = []
    for name, part in schema.get("properties", {}).items():
        text = part.get("description") or target(kind, part)[1].get("description", "")
        rows.append((code(name) + (" (required)" if name in required else ""), form(kind, part), text))
    return table(("key", "value", "what it is"), rows)


def target(kind: str, part: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return what a `$ref` points to and the kind whose file that is in; without one, the part itself."""
    if "$ref" not in part:
        return kind, part
    file, _, path = part["$ref"].partition("#/")
    kind = file.removesuffix(".json") or kind
    found: Any = grammar.schema(kind)
    for step in path.split("/"):
        found = found[step]
    return kind, found


def form(kind: str, part: Mapping[str, Any]) -> str:
    """Return in a few words what a key may hold."""
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[-1]
        kind, part = target(kind, part)
        if "properties" in part:
            return f"[{name}](#{name})"
    if "enum" in part:
        return ", ".join(code(str(choice)) for choice in part["enum"])
    kinds = [WORDS[name] for name in as_list(part.get("type")) if name != "null"]
    if "items" in part and "text" not in kinds:
        return "list of " + form(kind, part["items"])
    if isinstance(part.get("additionalProperties"), Mapping) and "properties" not in part:
        return "table: name → " + form(kind, part["additionalProperties"])
    return " or ".join(kinds) or (form(*target(kind, part)) if "$ref" in part else "any value")


WORDS: Mapping[str, str] = MappingProxyType({
    "string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`",
    "array": "list", "object": "table",
})  # fmt: skip


def json_form(schema: Mapping[str, Any]) -> str:
    """Return a value's JSON form in a few words."""
    if properties := schema.get("properties"):
        return code("{" + ", ".join(f'"{name}": …' for name in properties) + "}")
    if schema.get("type") == "array":
        return "list of text"
    if "enum" in schema:
        return "text: the choice's name"
    kind = WORDS.get(schema.get("type", ""), "any")
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def described(thing: type) -> Iterator[str]:
    """Yield a heading, the signature and the docstring of each public method of a class."""
    for name, method in vars(thing).items():
        if not name.startswith("_") and inspect.isfunction(method):
            yield f"### {name}"
            yield code(f"{name}{signature(method)}")
            yield text_of(method)


def signature(method: Callable[..., Any]) -> str:
    """Return a method's signature as it is written, without self."""
    written = dict(method.__annotations__)  # texts, since annotations are not evaluated
    answer = written.pop("return", "None")
    inner = ", ".join(f"{name}: {kind}" for name, kind in written.items())
    return f"({inner})" + ("" if answer == "None" else f" -> {answer}")


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


# ------------------------------------------------------------------------------------------------ making Markdown
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


def as_list(value: Any) -> list[Any]:
    """Return a value as a list: JSON Schema allows one type or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


def title(name: str) -> str:
    """Return the heading of a page."""
    return PAGES[name]().split("\n", 1)[0].removeprefix("# ")


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType({
    "README": overview,
    "settings": settings,
    "grammar": grammar_page,
    "field-types": field_types,
    "errors": error_codes,
    "plugins": plugins,
})  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
