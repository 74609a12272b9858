"""Write docs/reference from the code, or with ``--check`` tell which pages are not what the code says.

Run as ``python -m tools.reference``. Each page is one function below that returns Markdown. A page says nothing that
the code does not: texts are the help of settings and arguments, the descriptions of the grammar, and docstrings.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import xrm
from tools.markdown import code, first_line, page, sentence, shown, table, text_of
from tools.sources import (
    api_routes,
    arguments_table,
    commands_of,
    described,
    help_of,
    is_error,
    json_form,
    keys,
    plan_codes,
    value_codes,
)
from xrm import errors
from xrm.builtin.transfer import mapping
from xrm.cli import make_parser
from xrm.kernel import expression, hooks, values
from xrm.kernel.expression import types
from xrm.kernel.expression.functions import FUNCTIONS, Function
from xrm.kernel.kernel import BUILTIN
from xrm.kernel.paths import RecordScope
from xrm.kernel.plugins import load_plugins
from xrm.metadata import grammar
from xrm.metadata.codes import CODES
from xrm.metadata.model import Choice, Entity, Field, Model
from xrm.metadata.types import RULES
from xrm.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reference"
MADE = "<!-- Made by tools/reference.py from the code; change it there. -->\n\n"


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/reference from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when a page is out of date")
    check = parser.parse_args(arguments).check
    made = {name: make() for name, make in PAGES.items()}
    made["README"] = overview(made)
    pages = {f"{name}.md": MADE + text + "\n" for name, text in made.items()}
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


CHOICES = (Choice("a", "A"), Choice("b", "B"))
SAMPLE = Entity(
    name="deal",
    title="Deal",
    plural="Deals",
    fields={
        name: Field(name, kind, name, choices=CHOICES if kind == "choice" else ())
        for name, kind in {
            "name": "text",
            "state": "choice",
            "amount": "money",
            "probability": "percent",
            "lost_reason": "text",
            "close_date": "date",
            "tags": "tags",
        }.items()
    },
)
EXAMPLES = (
    ("amount > 1000 && state in ['new', 'won']", "both hold; `||` is or, `!` is not"),
    ("state == 'lost' ? lost_reason : name", "if … then … else"),
    ("amount * probability / 100", "arithmetic on exact numbers: `+ - * /`"),
    ("amount.currency == 'EUR'", "the currency of an amount"),
    ("close_date < today()", "dates compare with dates"),
    ("lost_reason != null", "there is a value"),
    ("'vip' in tags", "a text is in a set"),
    ("name.startsWith('A')", "a function, called on a value"),
)


def call(function: Function) -> str:
    """Return how a function is written: what may be left out in brackets, what may be repeated with dots."""
    kinds = [" or ".join(kinds) if len(kinds) < 4 else "value" for kinds in function.parameters]
    fixed = kinds[: len(kinds) - function.optional]
    inner = ", ".join(fixed) + "".join(f"[, {kind}]" for kind in kinds[len(fixed) :])
    return f"{function.name}({inner}{', …' if function.repeated else ''})"


# ---------------------------------------------------------------------------------------------------------- pages
def overview(pages: Mapping[str, str]) -> str:
    """The list of pages, each under its heading."""
    lines = [f"- [{text.partition(chr(10))[0].removeprefix('# ')}]({name}.md)" for name, text in pages.items()]
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
        "## Findings in plans",
        "What `xrm plan`, `xrm doctor` and the studio say about a change of the model.",
        table(("code", "such as"), [(code(name), text) for name, text in sorted(plan_codes().items())]),
    )


def field_types() -> str:
    """The types of fields."""
    rows = []
    for name, kind in values.TYPES.items():
        sample = Field(name="x", type=name, title="X", choices=CHOICES, to=("party",))
        columns = ", ".join(f"{code(spec.name)} {spec.type.name}" for spec in values.columns(sample))
        options = ", ".join(code(option) for option in sorted(RULES[name].options))
        rows.append((code(name), kind.holds, json_form(kind.schema(sample)), code(kind.expression), options, columns))
    return page(
        "# Field types",
        """The `type` of a field decides what it holds, how it is shown and checked, and how it is kept. Options of each
        are in [the grammar](grammar.md#field).""",
        table(("type", "holds", "in the API", "in expressions", "own options", "columns of a field x"), rows),
        """A type of several columns is one value: `amount` in an expression is its first column, `amount.currency` a
        further one. A relation to several entities also keeps which, as `entity`.""",
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


def expressions() -> str:
    """The expression language: its operators by examples that are compiled here, its functions."""
    scope = RecordScope(Model(), SAMPLE)
    for text, _ in EXAMPLES:
        expression.compile(text, scope)
    functions = [(code(call(f)), f.summary) for f in sorted(FUNCTIONS.values(), key=lambda f: f.name)]
    return page(
        "# Expressions",
        """One language for checks, guards, formulas, row rules, filters of views and of the API. It is evaluated on one
        record in memory, or becomes part of a query, with the same answer. It is total: what cannot be computed (a
        missing value, a division by zero) is null. A comparison with null is false, except `== null` and `!= null`;
        `!=` is the exact opposite of `==`.""",
        table(("an expression", "what it says"), [(code(text), meaning) for text, meaning in EXAMPLES]),
        "## Functions",
        "`f(x, y)` and `x.f(y)` are the same.",
        table(("function", "what it gives"), functions),
        "## Types",
        "```\n" + inspect.cleandoc(types.__doc__ or "").partition("\n\n")[2] + "\n```",
    )


def mapping_files() -> str:
    """The files that say how a foreign file's columns become fields."""
    intro = page(
        "# Mapping files for imports",
        """A mapping file says how the columns of a foreign file become the fields of an entity:
        `xrm import party customers.csv --mapping mappings/shop.yaml`. Without one, columns are matched by name.""",
    )
    return intro + "\n\n" + inspect.cleandoc(mapping.__doc__ or "").partition("\n\n")[2]


def http() -> str:
    """The routes of the HTTP interface."""
    rows = [(code(f"{method} {path}"), said) for path, method, said in sorted(asyncio.run(api_routes()))]
    return page(
        "# HTTP interface",
        """JSON in snake case, times in UTC (RFC 3339), decimals as text, money as
        `{"amount": "12.30", "currency": "EUR"}`, a relation as `{"id": …, "label": …}`. Updates and deletes send
        `If-Match` with the version they are based on. A running site describes its own entities at `/openapi.json`, for
        people at `/docs`. Errors: [errors](errors.md). Filters: [expressions](expressions.md).""",
        table(("request", "does"), rows),
    )


def command_line() -> str:
    """The commands, those of this site's plugins included."""
    made = load_plugins(ROOT, ("*",), BUILTIN).collect("commands")
    parser = make_parser(made)
    parts = [
        "# Command line",
        """`xrm COMMAND …` works on the site in the current folder, in the folder of `--site`, or in that of the
        variable `XRM_SITE`. Exit codes: 0 done, 1 refused or findings, 2 wrong usage.""",
        arguments_table(parser),
    ]
    for name, sub in commands_of(parser):
        parts += [f"## xrm {name}", sentence(sub.description or ""), arguments_table(sub)]
        for inner, deeper in commands_of(sub):
            parts += [
                f"### xrm {name} {inner}",
                sentence(deeper.description or help_of(sub, inner)),
                arguments_table(deeper),
            ]
    return page(*parts)


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType({
    "settings": settings,
    "grammar": grammar_page,
    "field-types": field_types,
    "errors": error_codes,
    "plugins": plugins,
    "expressions": expressions,
    "mapping-files": mapping_files,
    "http": http,
    "command-line": command_line,
})  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
