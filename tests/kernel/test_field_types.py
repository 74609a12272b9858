"""Field types: a plugin's type goes everywhere the platform's own go, also one of several columns."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from xrm.builtin.transfer.shaping import shape
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Invalid, Issue, ModelError
from xrm.kernel.change import SYSTEM
from xrm.kernel.query import Query
from xrm.kernel.values import FieldType, Parsing, register
from xrm.metadata.model import Field
from xrm.testing import make_site
from xrm.web.forms import Entry, to_json, to_raw
from xrm.web.show import Show

PLUGIN = """
from typing import NamedTuple
import xrm


class Size(NamedTuple):
    width: int
    height: int | None

    @property
    def leading(self):
        return self.width


def parse(field, value, parsing):
    if not isinstance(value, dict) or not isinstance(value.get("width"), int):
        raise xrm.Refused("not_size", "This is no size.", "like {width: 3, height: 4}")
    return Size(value["width"], value.get("height"))


def column(field):
    return xrm.ColumnType("int")


@xrm.hookimpl
def field_types():
    return [
        xrm.FieldType(
            "size", column, parse, lambda field: {"type": "object"}, "int", "text",
            rules=xrm.TypeRules(parts=("height",)), first="width", parts=(xrm.Part("height", xrm.ColumnType("int")),),
            make=Size, whole=False,
        )
    ]
"""
BOX = """
entity: box
label: "{name}"
fields: {name: text, size: {type: size}, half: {type: integer, formula: "size.height * 2"}}
checks:
  - {when: "size != null", require: "size > 0", message: A box has a width.}
"""


FILES = {
    "plugins/sizes/plugin.yaml": "plugin: sizes\n",
    "plugins/sizes/__init__.py": PLUGIN,
    "entities/box.yaml": BOX,
}


async def test_a_type_of_a_plugin_is_stored_read_filtered_and_computed_with(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        made = await site.system.create("box", {"name": "A", "size": {"width": 3, "height": 4}})
        assert (made["size"], made["half"]) == ({"width": 3, "height": 4}, 8)
        flat = await site.system.create("box", {"name": "B", "size": {"width": 1}})
        assert (flat["size"], flat["half"]) == ({"width": 1, "height": None}, None)
        page = await site.records.list(SYSTEM, "box", Query("size.height >= 4", fields=("name", "size.height")))
        assert [(r["name"], r["size.height"]) for r in page.records] == [("A", 4)]
        ordered = await site.records.list(SYSTEM, "box", Query(sort=("-size.height",)))
        assert [r["name"] for r in ordered.records] == ["A", "B"]
        history = await site.records.history(SYSTEM, "box", UUID(made["id"]))
        assert history[0]["after"]["size"] == {"width": 3, "height": 4}


async def test_a_type_of_a_plugin_refuses_and_checks_its_values(tmp_path: Path, database_url: str) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        with pytest.raises(Invalid) as caught:
            await site.system.create("box", {"size": 3})
        assert [(i.path, i.code) for i in caught.value.issues] == [("size", "not_size")]
        with pytest.raises(Invalid, match="A box has a width"):
            await site.system.create("box", {"size": {"width": 0}})


async def test_a_type_nobody_registered_is_an_error_with_its_place(tmp_path: Path, database_url: str) -> None:
    with pytest.raises(ModelError) as caught:
        async with make_site(
            tmp_path, database_url, {"entities/box.yaml": BOX.replace("{type: size}", "{type: sise}")}
        ):
            pass
    assert any(i.code == "not_allowed" and "'sise'" in i.message for i in caught.value.issues)


async def test_a_type_of_a_plugin_gets_inputs_a_column_and_a_file_without_code(
    tmp_path: Path, database_url: str
) -> None:
    async with make_site(tmp_path, database_url, FILES) as site:
        field = site.kernel.model.entities["box"].fields["size"]
        show = Show(site.kernel.model, ZoneInfo("UTC"))
        raw = to_raw(show, [field], {"size": {"width": 3, "height": 4}})
        assert raw == {"size": "3", "size.height": "4"}
        assert to_json(field, {"size": "1,000", "size.height": ""}, show.zone) == {"width": 1000}
        assert to_json(field, {"size": "", "size.height": ""}, show.zone) is None
        inputs = Entry(field, raw, (Issue("size.height", "too_large", "Too high."),)).parts
        assert [(i.name, i.title, i.kind, i.value, i.wrong) for i in inputs] == [
            ("size", "Width", "integer", "3", False),
            ("size.height", "Height", "integer", "4", True),
        ]
        assert show.plain(field, {"width": 3, "height": 4}) == "3 4"
        mapping = suggest(site.kernel.model.entities["box"], ["name", "size.width", "Size height"])
        assert [(r.field, r.column) for r in mapping.rules][1:] == [
            ("size.width", "size.width"),
            ("size.height", "Size height"),
        ]
        shaped = shape(mapping, site.kernel.model.entities["box"], {"name": "C", "size.width": "5", "Size height": "6"})
        assert shaped.values == {"name": "C", "size": {"width": 5, "height": 6}}


def test_two_plugins_cannot_have_a_type_of_the_same_name() -> None:
    def parse(field: Field, value: object, parsing: Parsing) -> object:
        return value

    with pytest.raises(ValueError, match="already"):
        register(FieldType("text", None, parse, lambda field: {}, "text", "text"))


@pytest.mark.parametrize("limits", ["min: 0.1, max: 2.3", 'min: "0.1", max: "2.3"'])
async def test_limits_of_decimals_are_exact_however_they_are_written(
    tmp_path: Path, database_url: str, limits: str
) -> None:
    text = f"entity: box\nfields: {{rate: {{type: decimal, {limits}}}, price: {{type: money, {limits}}}}}\n"
    async with make_site(tmp_path, database_url, {"entities/box.yaml": text}) as site:
        made = await site.system.create("box", {"rate": "0.1", "price": "2.3"})
        assert (made["rate"], made["price"]["amount"]) == ("0.10", "2.30")
        with pytest.raises(Invalid) as caught:
            await site.system.create("box", {"rate": "0.09", "price": "2.31"})
        assert [(i.path, i.code) for i in caught.value.issues] == [("rate", "too_small"), ("price", "too_large")]
