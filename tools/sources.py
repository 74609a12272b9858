"""Reading the code: what the pages of the reference are made from."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tools.markdown import code, first_line, table, text_of
from xrm import errors
from xrm.api.routes import routes
from xrm.metadata import grammar
from xrm.settings import Settings
from xrm.site import open_site

ROOT = Path(__file__).resolve().parent.parent


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the commands of a parser, each with its own parser."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no public way to read a parser
        if isinstance(action.choices, dict):
            yield from action.choices.items()


def help_of(parser: argparse.ArgumentParser, command: str) -> str:
    """Return the line about a command in the help of the parser above it."""
    for action in parser._actions:  # noqa: SLF001
        for choice in getattr(action, "_choices_actions", ()):
            if choice.dest == command:
                return str(choice.help or "")
    return ""


def arguments_table(parser: argparse.ArgumentParser) -> str:
    """Return the table of a parser's arguments, empty when it has none of its own."""
    rows = []
    for action in parser._actions:  # noqa: SLF001
        if action.dest == "help" or isinstance(action.choices, dict):
            continue
        word = str(action.metavar or action.dest.upper())
        takes = "" if action.nargs == 0 else f" {word}"
        shape = ", ".join(f"{option}{takes}" for option in action.option_strings) or word
        if choices := action.choices:
            shape += f" ({', '.join(map(str, choices))})"
        rows.append((code(shape), action.help or ""))
    return table(("argument", "what it does"), rows) if rows else ""


async def api_routes() -> list[tuple[str, str, str]]:
    """Return path, method and first line of the docstring of every route of the API."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_site(Settings(folder=Path(folder), plugins=())) as site:
            return [
                (re.sub(r"\{(\w+):\w+\}", r"{\1}", path), method, first_line(handler.fn))
                for handler in routes(site)
                for path in handler.paths
                for method in sorted(handler.http_methods - {"HEAD", "OPTIONS"})
            ]


def is_error(thing: object) -> bool:
    """Tell whether something of xrm.errors is an error with a code of its own."""
    return inspect.isclass(thing) and issubclass(thing, errors.XrmError) and thing is not errors.XrmError


def value_codes() -> Mapping[str, str]:
    """Return the codes a record's values are refused with, each with the first message it is raised with."""
    return found_codes(*(kernel_files(part) for part in (".", "fieldtypes", "files")))


def plan_codes() -> Mapping[str, str]:
    """Return the codes of what a plan and a repair say of a change of the model, each with its first message."""
    return found_codes(*(kernel_files(part) for part in ("migration", "migration/carry")))


def kernel_files(part: str) -> Iterator[Path]:
    """Yield the files of a folder of the kernel, without those below it."""
    return (ROOT / "xrm" / "kernel" / part).glob("*.py")


def found_codes(*folders: Iterator[Path]) -> Mapping[str, str]:
    """Return the codes that are raised in these files, each with the first message it is raised with."""
    found: dict[str, str] = {}
    for file in sorted(chain(*folders)):
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


def as_list(value: Any) -> list[Any]:
    """Return a value as a list: JSON Schema allows one type or several."""
    return value if isinstance(value, list) else [] if value is None else [value]
