"""Packages from strangers: whatever is no plain text file of a known name is refused, and says why."""

from __future__ import annotations

import io
import os
import stat
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xrm.builtin.packages.archive import MAX_ARCHIVE, MAX_FILE, pack, read_folder, unpack, write_folder
from xrm.builtin.packages.manifest import digest, read_package
from xrm.errors import Invalid

GOOD = {"package.yaml": "package: x\n", "entities/deal.yaml": "entity: deal\nfields: {}\n"}


def zipped(*entries: tuple[str, bytes], kind: int = stat.S_IFREG, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", method) as archive:
        warnings.simplefilter("ignore")  # it warns of names that are there twice
        for name, content in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr, entry.compress_type = (kind | 0o777) << 16, method
            archive.writestr(entry, content)
    return target.getvalue()


def lying(content: bytes, size: int) -> bytes:
    """Return a zip whose directory says that its first file has another size."""
    at = content.index(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<L", size) + content[at + 4 :]


def texts(count: int) -> list[tuple[str, bytes]]:
    """Return files that hardly get smaller, of 900 kB each."""
    return [(f"entities/a{number}.yaml", os.urandom(450_000).hex().encode()) for number in range(count)]


def nul(content: bytes) -> bytes:
    return content.replace(b"entities/a_yaml", b"entities/a\x00yaml")


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "slip": (lambda: zipped(("../evil.yaml", b"")), "bad_file_name"),
    "slip inside": (lambda: zipped(("entities/../../evil.yaml", b"")), "bad_file_name"),
    "absolute": (lambda: zipped(("/etc/evil.yaml", b"")), "bad_file_name"),
    "drive": (lambda: zipped(("C:/entities/evil.yaml", b"")), "bad_file_name"),
    "backslash": (lambda: zipped(("entities\\..\\evil.yaml", b"")), "bad_file_name"),
    "elsewhere": (lambda: zipped(("xrm.yaml", b"")), "bad_file_name"),
    "hidden": (lambda: zipped(("entities/.hidden.yaml", b"")), "bad_file_name"),
    "nul": (lambda: nul(zipped(("entities/a_yaml", b""))), "bad_file_name"),
    "folder outside": (lambda: zipped(("../evil/", b"")), "bad_file_name"),
    "link": (lambda: zipped(("entities/a.yaml", b"/etc/passwd"), kind=stat.S_IFLNK), "not_a_file"),
    "device": (lambda: zipped(("entities/a.yaml", b""), kind=stat.S_IFCHR), "not_a_file"),
    "pipe": (lambda: zipped(("entities/a.yaml", b""), kind=stat.S_IFIFO), "not_a_file"),
    "code": (lambda: zipped(("plugins/evil/__init__.py", b"import os")), "code"),
    "code in disguise": (lambda: zipped(("entities/a.PYC", b"")), "code"),
    "nested": (lambda: zipped(("entities/more.zip", zipped(("entities/a.yaml", b"")))), "nested"),
    "twice": (lambda: zipped(("entities/a.yaml", b"1"), ("entities/a.yaml", b"2")), "given_twice"),
    "case": (lambda: zipped(("entities/a.yaml", b"1"), ("entities/A.yaml", b"2")), "case_clash"),
    "latin": (lambda: zipped(("entities/a.yaml", "entity: müll".encode("latin-1"))), "not_utf8"),
    "ratio": (lambda: zipped(("entities/a.yaml", b"a" * MAX_FILE)), "bomb"),
    "size": (lambda: zipped(("entities/a.yaml", b"a" * (MAX_FILE + 1)), method=zipfile.ZIP_STORED), "too_large"),
    "sum": (
        lambda: zipped(*texts(5)),
        "too_large",
    ),
    "lie": (lambda: lying(zipped(("entities/a.yaml", b"a" * 200_000)), 10), "not_a_zip"),
    "count": (lambda: zipped(*((f"entities/a{n}.yaml", b"") for n in range(1001))), "too_many"),
    "large": (lambda: b"PK" + b"\0" * MAX_ARCHIVE, "too_large"),
    "bzip2": (lambda: zipped(("entities/a.yaml", b"a"), method=zipfile.ZIP_BZIP2), "not_a_zip"),
    "no zip": (lambda: b"hello", "not_a_zip"),
    "nothing": (lambda: b"", "not_a_zip"),
    "cut off": (lambda: zipped(("entities/a.yaml", b"a"))[:40], "not_a_zip"),
    "broken": (
        lambda: zipped(("entities/a.yaml", b"abcdefgh" * 40)).replace(b"PK\x03\x04", b"PK\x03\x05"),
        "not_a_zip",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packages_are_refused_at_little_cost(name: str) -> None:
    make, code = HOSTILE[name]
    content = make()
    before = time.process_time()
    with pytest.raises(Invalid) as refused:
        unpack(content)
    assert time.process_time() - before < 0.5
    assert code in {issue.code for issue in refused.value.issues}
    assert all(issue.path.isprintable() for issue in refused.value.issues)


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(zipped(("entities/a.yaml", b"a")))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Invalid) as refused:
        unpack(bytes(content))
    assert [issue.code for issue in refused.value.issues] == ["encrypted"]


def test_a_package_comes_back_as_it_was_and_is_always_the_same_bytes(tmp_path: Path) -> None:
    assert unpack(pack(GOOD)) == GOOD
    assert pack(GOOD) == pack(dict(reversed(GOOD.items())))
    write_folder(tmp_path / "p", GOOD)
    assert read_folder(tmp_path / "p") == GOOD
    with pytest.raises(Invalid, match="not taken"):
        write_folder(tmp_path / "p", GOOD)


def test_a_folder_is_judged_like_a_zip(tmp_path: Path) -> None:
    write_folder(tmp_path / "p", GOOD)
    entities = tmp_path / "p" / "entities"
    (entities / "link.yaml").symlink_to("/etc/passwd")
    (tmp_path / "p" / "plugins").symlink_to("/etc")
    os.mkfifo(entities / "pipe.yaml")
    (entities / "run.py").write_text("import os")
    (entities / "latin.yaml").write_bytes(b"a" * (MAX_FILE + 1))
    with pytest.raises(Invalid) as refused:
        read_folder(tmp_path / "p")
    assert [(issue.path, issue.code) for issue in refused.value.issues] == [
        ("plugins", "not_a_file"), ("entities/latin.yaml", "too_large"), ("entities/link.yaml", "not_a_file"),
        ("entities/pipe.yaml", "not_a_file"), ("entities/run.py", "code"),
    ]  # fmt: skip


DEAL = GOOD["entities/deal.yaml"]


@pytest.mark.parametrize(("text", "code"), [
    (None, "required"),
    ("- a\n", "wrong_type"),
    ("package: x\nfiles: {}\n", "unlisted_file"),
    (f"package: x\nfiles: {{entities/deal.yaml: {digest(DEAL)}, entities/more.yaml: a}}\n", "missing_file"),
    ("package: x\nfiles: {entities/deal.yaml: abc}\n", "wrong_hash"),
    ("package: ../x\nfiles: {}\n", "bad_name"),
    ("package: x\nfiles: []\n", "wrong_type"),
    ("package: x\nfiles: {}\nrun: rm\n", "unknown_key"),
    ("package: x\nfiles: {}\nrequires: {plugin: []}\n", "unknown_key"),
    ("package: x\nfiles: {}\nrequires: {entities: [{}]}\n", "wrong_type"),
    ("package: x\nfiles: {}\nrequires: {plugins: [a]}\n", "wrong_type"),
    ("package: &a x\nfiles: {}\n", "anchor_refused"),
    ("package: !!python/object:os.system x\n", "tag_refused"),
])  # fmt: skip
def test_what_package_yaml_may_say(text: str | None, code: str) -> None:
    files = {"entities/deal.yaml": DEAL} | ({"package.yaml": text} if text is not None else {})
    with pytest.raises(Invalid) as refused:
        read_package(files)
    assert code in {issue.code for issue in refused.value.issues}
