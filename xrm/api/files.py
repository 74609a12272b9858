"""The site's definition files, as the studio sends them: names are judged, and no file is ever half written."""

from __future__ import annotations

import difflib
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from xrm.errors import Invalid, Issue
from xrm.metadata.model import Source

FOLDER = "entities"
MAX_FILES = 500
_NAME = re.compile(r"entities/(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,60}/){0,5}[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}\.yaml")


def site_sources(folder: Path, files: Mapping[str, str]) -> tuple[Source, ...]:
    """Return files (name → text; an empty text stands for a file to delete) as sources of the site.

    Raises:
        Invalid: a name is not that of a definition file of the site.
    """
    issues = [
        Issue(name[:200], "bad_file_name", "A definition file is entities/….yaml below the site's folder.")
        for name in files
        if not _NAME.fullmatch(name) or not _inside(folder, name)
    ]
    if len(files) > MAX_FILES:
        issues.append(Issue("files", "too_many", f"At most {MAX_FILES} files are taken at once."))
    if issues:
        raise Invalid("These files cannot be definitions", issues)
    return tuple(Source("site", name, text) for name, text in sorted(files.items()))


def files_of(now: Sequence[Source], then: Sequence[Source]) -> tuple[Source, ...]:
    """Return the site's files to write so that `now` becomes `then`; an empty text stands for a file to delete."""
    here = {s.file: s.text for s in now if s.layer == "site"}
    wanted = {s.file: s.text for s in then if s.layer == "site"}
    names = sorted(name for name in {*here, *wanted} if here.get(name) != wanted.get(name))
    return tuple(Source("site", name, wanted.get(name, "")) for name in names)


def _inside(folder: Path, name: str) -> bool:
    """Whether a file lies in entities/, also after following links."""
    return (folder / name).resolve().is_relative_to((folder / FOLDER).resolve())


def diffs(folder: Path, sources: Sequence[Source]) -> dict[str, str]:
    """Return per file that would change the unified diff from what is on disk."""
    found = {}
    for source in sources:
        path = folder / source.file
        before = path.read_text("utf-8", "replace") if path.is_file() else ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), _ended(source.text).splitlines(keepends=True), source.file, source.file
        )
        if text := "".join(lines):
            found[source.file] = text
    return found


def write_sources(folder: Path, sources: Sequence[Source]) -> list[Issue]:
    """Write files, each by one rename; return what could not be written.

    All texts are on disk under other names before the first file is replaced, so that a full disk replaces none.
    """
    waiting: list[tuple[Path, Path | None]] = []
    issues: list[Issue] = []
    try:
        for source in sources:
            waiting.append((folder / source.file, _beside(folder / source.file, source.text)))
        for path, written in waiting:
            _put(path, written)
    except OSError as error:
        issues.append(
            Issue(
                f"{FOLDER}/",
                "not_written",
                f"The files could not be written: {error.strerror}.",
                "the model is in force; write them by hand, or the next `xrm apply` takes it back",
            )
        )
    for _, written in waiting:
        if written is not None:
            written.unlink(missing_ok=True)
    return issues


def _beside(path: Path, text: str) -> Path | None:
    """Write a text under a hidden name beside its file; None when the file is to go."""
    if not text.strip():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(_ended(text))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _put(path: Path, written: Path | None) -> None:
    if written is None:
        path.unlink(missing_ok=True)
    else:
        written.replace(path)
    if path.parent.is_dir():
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _ended(text: str) -> str:
    return text if not text.strip() or text.endswith("\n") else text + "\n"
