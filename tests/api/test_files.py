"""Files: sent, kept by their content, fetched with the rights of record and field; and attacks on all of it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from tests.api.conftest import Callers
from xrm.cli import main
from xrm.kernel.files.attaching import named_digests
from xrm.kernel.files.media import clean_name, media_type
from xrm.testing import TestSite, make_site

FILES = {
    "entities/paper.yaml": """
entity: paper
label: "{name}"
uses: [owned]
fields: {name: text, scan: {type: file}, photo: {type: image}, secret: {type: file, class: confidential}}
""",
    "entities/roles.yaml": """
role: maker
grants: [{entity: paper, actions: [read, create, update], rows: own}]
---
role: reader
grants: [{entity: paper, actions: [read], fields: {read: [public, internal], write: []}}]
""",
}
CONTENT = b"%PDF-1.7 a paper"


@pytest.fixture
async def site(tmp_path: Path, database_url: str) -> AsyncIterator[TestSite]:
    async with make_site(tmp_path, database_url, FILES, allowed_hosts=("test",), max_file=100_000) as made:
        yield made


@pytest.fixture
async def callers(site: TestSite) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        yield Callers(site, stack)


def picture(side: int = 8, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(out, format, comment=b"<script>")
    return out.getvalue()


async def sent(client, content: bytes = CONTENT, name: str = "a.pdf") -> dict:
    answer = await client.post("/api/files", content=content, params={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def made(client, field: str = "scan", content: bytes = CONTENT, name: str = "a.pdf") -> dict:
    upload = await sent(client, content, name)
    answer = await client.post("/api/paper", json={"name": "P", field: {"file": upload["file"]}})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_file_is_sent_kept_and_fetched_as_an_attachment(callers):
    maker = await callers.robot("Ann", "maker")
    record = await made(maker, name="../../Überblick 1.pdf")
    assert record["scan"] | {"digest": ""} == {
        "digest": "",
        "name": "Überblick 1.pdf",
        "media": "application/pdf",
        "size": len(CONTENT),
    }
    answer = await maker.get(f"/api/paper/{record['id']}/files/scan")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"_berblick 1.pdf\"; filename*=UTF-8''%C3%9Cberblick%201.pdf"
    )
    history = (await maker.get(f"/api/paper/{record['id']}/history")).text
    assert record["scan"]["digest"] in history
    kept = await maker.patch(
        f"/api/paper/{record['id']}", json={"name": "Q", "scan": record["scan"]}, headers={"if-match": '"1"'}
    )
    assert kept.json()["scan"] == record["scan"]
    gone = await maker.patch(f"/api/paper/{record['id']}", json={"scan": None}, headers={"if-match": '"2"'})
    assert gone.json()["scan"] is None
    assert (await maker.get(f"/api/paper/{record['id']}/files/scan")).status_code == 404


async def test_a_multipart_form_is_taken_too(callers):
    maker = await callers.robot("Ann", "maker")
    answer = await maker.post("/api/files", files={"file": ("b.txt", b"hello", "text/html")})
    assert (answer.status_code, answer.json()["name"], answer.json()["media"]) == (201, "b.txt", "text/plain")
    assert (await maker.post("/api/files", files={"other": ("b.txt", b"hello")})).status_code == 400
    assert (
        await maker.post("/api/files", content=b"x", headers={"content-type": "multipart/form-data"})
    ).status_code == 400


async def test_a_file_is_had_by_its_uploader_and_the_record_s_readers_only(callers, site):
    ann, bob = await callers.robot("Ann", "maker"), await callers.robot("Bob", "maker")
    reader, nobody = await callers.robot("Rea", "reader"), await callers.anybody()
    upload = await sent(ann)
    stolen = [{"file": upload["file"]}, {n: upload[n] for n in ("digest", "name", "media", "size")}, {"file": "x"}]
    for value in stolen:
        answer = await bob.post("/api/paper", json={"scan": value})
        assert (answer.status_code, answer.json()["issues"][0]["code"]) == (422, "not_uploaded")
    record, hidden = await made(ann), await made(ann, "secret")
    assert (await bob.get(f"/api/paper/{record['id']}/files/scan")).status_code == 404
    assert (await reader.get(f"/api/paper/{record['id']}/files/scan")).content == CONTENT
    assert (await reader.get(f"/api/paper/{hidden['id']}/files/secret")).status_code == 404
    for path in ("name", "label", "nothing", "scan%00", "..%2Fscan", "scan/thumbnail"):
        assert (await reader.get(f"/api/paper/{record['id']}/files/{path}")).status_code in (400, 404), path
    assert (await nobody.get(f"/api/paper/{record['id']}/files/scan")).status_code == 401
    assert (await nobody.post("/api/files", content=CONTENT)).status_code == 401
    answer = await ann.post("/api/paper", json={"scan": {"digest": "../../x", "name": "a", "media": "b", "size": 1}})
    assert answer.status_code == 422


@pytest.mark.parametrize("value", ["a.pdf", 3, [], {"file": 3}, {"file": "a", "name": "b"}, {"path": "/etc/passwd"}])
async def test_what_is_no_file_is_refused(callers, value):
    maker = await callers.robot("Ann", "maker")
    answer = await maker.post("/api/paper", json={"scan": value})
    assert answer.status_code in (201, 422)
    assert answer.status_code == 422 or answer.json()["scan"] is None


async def test_too_much_and_too_little_is_refused_and_leaves_nothing(callers, site, tmp_path):
    maker = await callers.robot("Ann", "maker")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    assert (await maker.post("/api/files", content=b"x" * 100_001)).status_code == 413
    assert (await maker.post("/api/files", content=endless())).status_code == 413
    assert (await maker.post("/api/files", content=b"")).status_code == 400
    assert [p for p in (tmp_path / "var/files").rglob("*") if p.is_file()] == []


async def test_an_upload_that_breaks_off_leaves_nothing(site, tmp_path):
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await site.kernel.files.receive("a", None, broken())
    assert [p for p in (tmp_path / "var/files").rglob("*") if p.is_file()] == []


async def test_pictures_have_thumbnails_drawn_anew(callers):
    maker = await callers.robot("Ann", "maker")
    record = await made(maker, "photo", picture(600, "JPEG"), "p.jpg")
    answer = await maker.get(f"/api/paper/{record['id']}/files/photo/thumbnail")
    assert answer.headers["content-type"] == "image/webp"
    assert b"script" not in answer.content
    assert max(Image.open(io.BytesIO(answer.content)).size) == 320


def bomb() -> bytes:
    """Return a PNG file that says it has 2.5 thousand million pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"<html><script>alert(1)</script>",
        CONTENT,
        b"\x89PNG\r\n\x1a\nno picture",
        b"GIF89a",
        picture()[:-30],
        bomb(),
    ],
)
async def test_what_is_no_picture_is_refused_as_one(callers, content):
    maker = await callers.robot("Ann", "maker")
    upload = await sent(maker, content, "a.png")
    answer = await maker.post("/api/paper", json={"photo": {"file": upload["file"]}})
    assert (answer.status_code, answer.json()["issues"][0]["code"]) == (422, "not_image")
    record = await made(maker, "scan", content, "a.png")
    assert record["scan"]["media"] not in ("text/html", "image/svg+xml")


async def test_the_sweep_takes_what_nobody_names_when_it_is_old(callers, site, tmp_path):
    maker = await callers.robot("Ann", "maker")
    kept, gone = await made(maker), await made(maker, content=b"old", name="old.txt")
    orphan = await sent(maker, b"orphan")
    await maker.patch(f"/api/paper/{gone['id']}", json={"scan": None}, headers={"if-match": '"1"'})
    files, model = site.kernel.files, site.kernel.live.model
    first = files.sweep(await named_digests(site.kernel.store, model))
    assert (first.files, first.kept) == (0, 3)
    site.clock.forward(timedelta(hours=25))
    late = await maker.post("/api/paper", json={"scan": {"file": orphan["file"]}})
    assert late.status_code == 422
    swept = files.sweep(await named_digests(site.kernel.store, model))
    assert (swept.files, swept.uploads, swept.kept) == (2, 3, 1)
    assert (await maker.get(f"/api/paper/{kept['id']}/files/scan")).content == CONTENT
    files.path(kept["scan"]["digest"]).unlink()
    assert (await maker.get(f"/api/paper/{kept['id']}/files/scan")).status_code == 404
    assert (await maker.get(f"/api/paper/{kept['id']}")).status_code == 200


@pytest.mark.parametrize(
    ("sent_name", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.pdf", "a.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("a\r\nSet-Cookie: b", "a Set-Cookie_ b"),
        ("a\x00b", "ab"),
        ('x"y<z>.txt', "x_y_z_.txt"),
        ("", "file"),
        ("..", "file"),
        ("\ud800", "_"),
        ("a" * 300 + ".pdf", "a" * 196 + ".pdf"),
    ],
)
def test_names_are_cleaned(sent_name, name):
    assert clean_name(sent_name) == name


def test_a_media_type_is_that_of_the_content():
    assert media_type(picture(format="WEBP")) == "image/webp"
    assert media_type("für".encode()) == "text/plain"
    assert media_type(b"MZ\x00\x01") == "application/octet-stream"


def test_the_sweep_is_a_command(tmp_path, capsys):
    (tmp_path / "entities").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "xrm.yaml").write_text("database: sqlite:///site.db\n")
    assert main(["--site", str(tmp_path), "apply"]) == 0
    assert main(["--site", str(tmp_path), "files", "sweep"]) == 0
    assert "0 files taken away" in capsys.readouterr().out
