"""``xrm import`` and ``xrm export`` on a site of their own."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from xrm import SYSTEM, Invalid, NotFound, XrmError
from xrm.builtin.transfer.command import export_file, import_file
from xrm.builtin.transfer.reading import read_rows


@pytest.fixture
def files(tmp_path):
    """Write files and give their paths."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def import_args(file: Path, **given):
    defaults = {"entity": "company", "mapping": None, "key": None, "dry_run": False, "errors": None, "json": False}
    return Namespace(file=file, **{**defaults, **given})


def export_args(file: Path | None = None, **given):
    return Namespace(**{"entity": "company", "file": file, "format": "csv", "filter": "", "fields": "", **given})


async def count(site):
    return (await site.system.count("company")).value


async def test_columns_are_matched_by_name_and_the_rest_is_named(site, files, capsys):
    file = files("x.csv", "Number;Name;Colour\n1;Müller;red\n2;;blue\n".encode("cp1252"))
    assert await import_file(site.kernel, SYSTEM, import_args(file)) == 1
    told = capsys.readouterr().out
    assert "x.csv: csv, cp1252; key: number" in told
    assert "2 rows read: 1 created, 0 updated, 0 unchanged, 1 refused" in told
    assert "Columns left out: Colour" in told
    assert "row 2 (line 3): name: A company needs a name." in told


async def test_a_dry_run_says_would(site, files, capsys):
    file = files("x.csv", "number,name\n1,A\n")
    assert await import_file(site.kernel, SYSTEM, import_args(file, dry_run=True)) == 0
    assert "1 would be created" in capsys.readouterr().out
    assert await count(site) == 0


async def test_a_mapping_says_how_the_file_is_written(site, files, capsys):
    file = files("x.txt", "Název|č\nŽižkov|7\n".encode("cp1250"))
    mapping = files(
        "m.yaml",
        "import: x\nentity: company\nkey: number\nfile: {encoding: cp1250, delimiter: '|'}\n"
        "fields: {name: Název, number: č}\n",
    )
    assert await import_file(site.kernel, SYSTEM, import_args(file, mapping=mapping, json=True)) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["created"], report["encoding"]) == (1, "cp1250")
    assert await site.system.find("company", "name == 'Žižkov'")


async def test_a_key_can_be_chosen(site, files, capsys):
    file = files("x.csv", "number,name,staff\n1,A,5\n")
    for expected in ("1 created", "1 unchanged"):
        assert await import_file(site.kernel, SYSTEM, import_args(file, key="name")) == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"entity": "campany"}, NotFound, "did you mean 'company'"),
        ({"file": Path("/nowhere/x.csv")}, XrmError, "cannot be read"),
        ({"mapping": Path("/nowhere/m.yaml")}, XrmError, "cannot be read"),
        ({"errors": Path("/nowhere/e.csv")}, XrmError, "cannot be written"),
        ({"key": "nam"}, Invalid, "not among the fields"),
    ],
)
async def test_what_cannot_be_done_is_said_and_nothing_is_written(site, files, changes, error, message):
    args = import_args(files("x.csv", "number,name\n1,A\n"))
    for name, value in changes.items():
        setattr(args, name, value)
    with pytest.raises(error, match=message):
        await import_file(site.kernel, SYSTEM, args)
    assert await count(site) == 0


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"import: x\nentity: item\nmode: create\nfields: {name: name}\n", "is about item, not company"),
        (b"import: x\nentity: company\nmode: create\nfields: {name: nome}\n", "no column 'nome'"),
    ],
)
async def test_a_mapping_that_does_not_fit_is_refused(site, files, mapping, message):
    args = import_args(files("x.csv", "number,name\n1,A\n"), mapping=files("m.yaml", mapping))
    with pytest.raises(XrmError, match=message):
        await import_file(site.kernel, SYSTEM, args)
    assert await count(site) == 0


async def test_refused_rows_go_to_a_file(site, files, tmp_path, capsys):
    errors = tmp_path / "refused.csv"
    lines = "".join(f"{n},\n" for n in range(30))
    args = import_args(files("x.csv", f"number,name\n{lines}"), errors=errors)
    assert await import_file(site.kernel, SYSTEM, args) == 1
    assert "… and 10 more" in capsys.readouterr().out
    assert len(list(read_rows(errors.read_bytes()))) == 30


async def test_an_export_goes_to_a_file_or_to_the_output(site, tmp_path, capsys):
    await site.system.create("company", {"name": "Ä", "staff": 2})
    await site.system.create("company", {"name": "B", "staff": 1})
    file = tmp_path / "out.csv"
    assert await export_file(site.kernel, SYSTEM, export_args(file, fields="name, staff", filter="staff > 1")) == 0
    assert file.read_bytes().decode() == "name,staff\r\nÄ,2\r\n"
    assert await export_file(site.kernel, SYSTEM, export_args(format="json", fields="name")) == 0
    rows = read_rows(capsys.readouterr().out.encode(), "x.jsonl")
    assert {row.values["name"] for row in rows} == {"Ä", "B"}


async def test_a_refused_export_leaves_no_file(site, tmp_path):
    file = tmp_path / "out.csv"
    with pytest.raises(Invalid):
        await export_file(site.kernel, SYSTEM, export_args(file, filter="staff >"))
    with pytest.raises(NotFound):
        await export_file(site.kernel, SYSTEM, export_args(file, entity="nothing"))
    assert not file.exists()


async def test_a_plugins_importer_is_named_instead_of_an_entity(tmp_path, files, capsys):
    from xrm.testing import make_site

    plugin = (
        "import xrm\n\n\nclass Lines:\n    name, title = 'lines', 'Lines'\n\n"
        "    async def run(self, context, content):\n"
        "        report = xrm.ImportReport(read=2, created=1, refused=[(2, 'It is bad.')])\n"
        "        await context.records.create('thing', {'name': content.decode()})\n        return report\n\n\n"
        "@xrm.hookimpl\ndef importers():\n    return [Lines()]\n"
    )
    definitions = {
        "entities/thing.yaml": "entity: thing\nfields: {name: text}\n",
        "plugins/lines/plugin.yaml": "plugin: lines\n",
        "plugins/lines/__init__.py": plugin,
    }
    async with make_site(tmp_path, f"sqlite:///{tmp_path}/site.db", definitions) as site:
        args = import_args(files("x.bin", b"hello"), entity="lines")
        assert await import_file(site.kernel, SYSTEM, args) == 1
        told = capsys.readouterr().out
        assert "2 rows read: 1 created, 0 updated, 0 unchanged, 1 refused" in told
        assert "row 2: It is bad." in told
        args.json = True
        assert await import_file(site.kernel, SYSTEM, args) == 1
        assert json.loads(capsys.readouterr().out)["problems"] == [{"row": 2, "reason": "It is bad."}]
        made = (await site.system.list("thing")).records
        assert [thing["name"] for thing in made] == ["hello", "hello"]
