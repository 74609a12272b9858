"""The table of codes is complete, and the schemas are what they claim to be."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jsonschema
import jsonschema_rs
import pytest

import xrm.metadata
from xrm.metadata import CODES, WARNINGS, grammar
from xrm.metadata.check_roles import CLASSES
from xrm.metadata.codes import found
from xrm.metadata.definitions import VIEW_KINDS
from xrm.metadata.types import RULES

FOLDER = Path(xrm.metadata.__file__).parent


def used() -> set[str]:
    """Return every text in the code of the room that looks like a code and stands in a call."""
    words: set[str] = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if re.search(r"(^found|\.add|\.stop)$", called):
                    words |= {
                        arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                    }
    return {word for word in words if re.fullmatch(r"[a-z]+(_[a-z]+)*", word)}


def test_every_code_is_in_the_table_and_used() -> None:
    assert used() == set(CODES)


def test_warnings_are_codes() -> None:
    assert set(CODES) > WARNINGS


def test_a_code_that_is_not_in_the_table_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        found("x", "made_up", "no")


@pytest.mark.parametrize("kind", grammar.KINDS)
def test_schemas_are_schemas_of_2020_12(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(grammar.schema(kind))
    assert jsonschema_rs.meta.is_valid(grammar.schema(kind))
    assert grammar.schema(kind)["additionalProperties"] is False


def objects(schema: object) -> list[dict[str, object]]:
    if isinstance(schema, dict):
        below = [found for child in schema.values() for found in objects(child)]
        return [schema, *below] if "properties" in schema and "type" in schema else below
    return [found for child in schema for found in objects(child)] if isinstance(schema, list) else []


@pytest.mark.parametrize("kind", grammar.KINDS)
def test_no_table_of_the_grammar_is_open(kind: str) -> None:
    tables = objects(grammar.schema(kind))
    assert tables
    assert all("additionalProperties" in table for table in tables)


def test_extensions_have_the_keys_of_entities() -> None:
    entity, extends = (set(grammar.schema(kind)["properties"]) for kind in ("entity", "extends"))
    assert entity - {"entity"} == extends - {"extends"}


def test_code_and_schemas_know_the_same_words() -> None:
    defs = grammar.schema("entity")["$defs"]
    assert set(defs["type"]["enum"]) == set(RULES)
    assert tuple(defs["field"]["properties"]["class"]["enum"]) == CLASSES
    assert tuple(defs["view"]["properties"]["kind"]["enum"]) == VIEW_KINDS
