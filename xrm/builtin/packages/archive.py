"""A package as bytes or as a folder ↔ its files. Whatever is no plain text file of a known name is refused.

Nothing is ever extracted to disk: an archive becomes texts in memory, within limits on count and size that hold for
what really comes out of it, whatever its directory says.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xrm.errors import Invalid, Issue

MANIFEST = "package.yaml"
MAX_ARCHIVE = 5 << 20  # bytes of a zip
MAX_FILES = 1000
MAX_FILE = 1 << 20  # bytes of one file
MAX_TOTAL = 4 << 20  # bytes of all files
MAX_RATIO = 100  # bytes out per byte in, beyond the first 64 KiB
_DIRECTORY = MAX_FILES * 1024  # bytes of a zip's directory
_FIRST = 65_536
_MOMENT = (1980, 1, 1, 0, 0, 0)  # one moment for all files: the same package is the same bytes
_FILE = re.compile(
    r"(?:package\.yaml|(?:plugins/[a-z][a-z0-9_]{0,39}/)?entities/(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,60}/){0,5}"
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}\.yaml|plugins/[a-z][a-z0-9_]{0,39}/plugin\.yaml)"
)
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".whl", ".jar", ".zst")
_CODE = (".py", ".pyc", ".pyo", ".pyd", ".so", ".dll", ".sh", ".js", ".exe", ".bat", ".pth")

Files = dict[str, str]


def pack(files: Mapping[str, str]) -> bytes:
    """Return files (name → text) as a zip; the same files make the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            entry.create_system = 3
            archive.writestr(entry, files[name].encode())
    return target.getvalue()


def unpack(content: bytes) -> Files:
    """Return the files of a zip.

    Raises:
        Invalid: it is no package: every reason, with the name of the file in it.
    """
    _directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _files_of(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError, struct.error):
        raise _refused([_issue("package", "not_a_zip", "This is not a zip that can be read.")]) from None


def _directory(content: bytes) -> None:
    """Refuse what is too large, or has a directory that would take long to read, before it is read."""
    if len(content) > MAX_ARCHIVE:
        raise _refused([_issue("package", "too_large", f"The package is larger than {MAX_ARCHIVE >> 20} MiB.")])
    end = content.rfind(b"PK\x05\x06")
    if end < 0 or len(content) < end + 22:
        raise _refused([_issue("package", "not_a_zip", "This is not a zip that can be read.")])
    count, size = struct.unpack_from("<HL", content, end + 10)
    if count > MAX_FILES or size > _DIRECTORY or b"PK\x06\x07" in content[max(0, end - 20) : end]:
        raise _refused([_issue("package", "too_many", f"A package has at most {MAX_FILES:,} files.")])


def _files_of(archive: zipfile.ZipFile) -> Files:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    folders = [entry for entry in archive.infolist() if entry.is_dir()]
    issues = [issue for entry in entries for issue in _entry(entry)]
    issues += [
        _issue(f.filename, "bad_file_name", _OUTSIDE)
        for f in folders
        if not re.fullmatch(r"(?:[A-Za-z0-9_-]+/)+", f.filename)
    ]
    issues += _alike(entry.filename for entry in entries)
    if sum(entry.file_size for entry in entries) > MAX_TOTAL:
        issues.append(_issue("package", "too_large", f"All files together are more than {MAX_TOTAL >> 20} MiB."))
    if issues:
        raise _refused(issues)
    files: Files = {}
    left = MAX_TOTAL
    for entry in entries:
        content = _content(archive, entry, left)
        left -= len(content)
        files[entry.filename] = _text(entry.filename, content)
    return files


_OUTSIDE = "A package holds package.yaml, entities/….yaml and plugins/NAME/… only."


def _entry(entry: zipfile.ZipInfo) -> Iterator[Issue]:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        yield _issue(name, "not_a_file", "Links, devices and pipes are not taken.")
    if entry.flag_bits & 0x1:
        yield _issue(name, "encrypted", "Encrypted files are not taken.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        yield _issue(name, "not_a_zip", "Only plain and deflated files are taken.")
    if entry.orig_filename != name:
        yield _issue(name, "bad_file_name", "The name holds a character that cuts it off.")
    yield from named(name)
    if entry.file_size > MAX_FILE:
        yield _issue(name, "too_large", f"A file is at most {MAX_FILE >> 10:,} KiB.")
    elif entry.file_size > _FIRST + MAX_RATIO * max(entry.compress_size, 1):
        yield _issue(name, "bomb", f"It would become more than {MAX_RATIO} times as large.")


def named(name: str) -> Iterator[Issue]:
    """Yield what is wrong with the name of a file of a package."""
    if _FILE.fullmatch(name):
        return
    lower = name.lower()
    if lower.endswith(_CODE):
        yield _issue(name, "code", "A package holds definitions, never code.", "install plugins with code as such")
    elif lower.endswith(_ARCHIVES):
        yield _issue(name, "nested", "A package holds no packages.")
    else:
        yield _issue(name, "bad_file_name", _OUTSIDE)


def _alike(names: Iterable[str]) -> Iterator[Issue]:
    """Yield a finding for each name that is there twice, or would be on a disk that does not tell case apart."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.casefold())
        if other == name:
            yield _issue(name, "given_twice", "There are two files of this name.")
        elif other is not None:
            yield _issue(name, "case_clash", f"It differs from {other!r} by case only.")
        seen[name.casefold()] = name


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """Return what really comes out of an entry, as far as the limits go."""
    most = min(MAX_FILE, left)
    with archive.open(entry) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise _refused([_issue(entry.filename, "too_large", "It is larger than a package may be.")])
    return content


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused([_issue(name, "not_utf8", "It is not UTF-8 text.", "save it as UTF-8")]) from None


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a package below a folder that is new or empty.

    Raises:
        Invalid: something is there already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise _refused([_issue(str(folder), "not_empty", "The folder is not empty.", "name another one")])
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")


def read_folder(folder: Path) -> Files:
    """Return the files of a package that lies in a folder; hidden files are passed over.

    Raises:
        Invalid: it holds what a package must not hold: every reason.
    """
    files: Files = {}
    issues: list[Issue] = []
    left = MAX_TOTAL
    for name, path in _below(folder):
        if len(files) + len(issues) >= MAX_FILES:
            issues.append(_issue("package", "too_many", f"A package has at most {MAX_FILES:,} files."))
            break
        mode = path.lstat()
        if not stat.S_ISREG(mode.st_mode):
            issues.append(_issue(name, "not_a_file", "Links, devices and pipes are not taken."))
        elif problems := list(named(name)):
            issues += problems
        elif mode.st_size > min(MAX_FILE, left):
            issues.append(_issue(name, "too_large", f"A file is at most {MAX_FILE >> 10:,} KiB."))
        else:
            content = path.read_bytes()
            left -= len(content)
            files[name] = _text(name, content)
    issues += _alike(files)
    if issues:
        raise _refused(issues)
    return files


def _below(folder: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, names in os.walk(folder, followlinks=False):
        folders.sort()
        linked = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in linked]
        for name in sorted([*names, *linked]):
            if not name.startswith("."):
                path = Path(place, name)
                yield path.relative_to(folder).as_posix(), path


def _issue(name: str, code: str, message: str, hint: str = "") -> Issue:
    shown = name.encode("utf-8", "replace").decode()[:120]
    return Issue("".join(c if c.isprintable() else "?" for c in shown), code, message, hint)


def _refused(issues: list[Issue]) -> Invalid:
    return Invalid("This package is not taken", issues)
