"""The file of a backup: a ZIP with a manifest, the tables as lines of JSON, the definitions and the files' contents.

manifest.json         format, versions, and per table rows and checksum; the digests of all contents
schema.json           the tables and columns
definitions.json      the model's sources: [[layer, file, text], …]
tables/<name>.jsonl   one row per line
files/<digest>        one content, which its name is the SHA-256 of
keys.json             the keys of encrypted fields, sealed with a passphrase; only when one was given
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xrm.errors import Issue, XrmError
from xrm.kernel.files.content import full_is_told

FORMAT = 1  # of the file; a newer one is refused
MANIFEST, SCHEMA, DEFINITIONS, KEYS = "manifest.json", "schema.json", "definitions.json", "keys.json"


class BackupInvalid(XrmError):
    """A file is no backup, is damaged, or is of a newer xrm; ``issues`` say what."""

    status, code, title = 422, "backup_invalid", "This backup cannot be used"


@dataclass(frozen=True, slots=True)
class TableSum:
    """What a table of a backup holds."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    version: str
    made_at: str
    title: str
    generation: int
    tables: dict[str, TableSum]
    files: dict[str, int]  # digest → bytes
    missing: tuple[str, ...]  # contents that records name and that were not there
    damaged: int  # cells that were damaged in the database, and are empty here
    sealed_keys: bool

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


@contextmanager
def writing(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a new archive; it gets its name when it is whole and on the disk.

    Raises:
        BackupInvalid: there is such a file already.
        StorageFull: there is no room for it; nothing is left of it.
    """
    if path.exists():
        raise BackupInvalid("Nothing was written.", [Issue(str(path), "exists", "This file exists.")])
    part = path.with_name(f"{path.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with full_is_told():
            yield from _written(part)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def _written(part: Path) -> Iterator[zipfile.ZipFile]:
    descriptor = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)  # for the operator's eyes only
    with os.fdopen(descriptor, "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            yield archive
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def reading(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """Open a backup.

    Raises:
        BackupInvalid: it is none, or of a newer xrm.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive, _manifest(archive)
    except FileNotFoundError:
        raise BackupInvalid("There is no such file.", [Issue(str(path), "not_found", "This is not there.")]) from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, NotImplementedError) as error:
        raise damaged(str(path), f"It cannot be read: {error}") from None


def damaged(where: str, why: str) -> BackupInvalid:
    """Return the error of a backup that is not what it says."""
    return BackupInvalid("The backup is damaged.", [Issue(where, "damaged", why, "use another copy of it")])


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    try:
        told: dict[str, Any] = json.loads(archive.read(MANIFEST))
        if int(told["format"]) > FORMAT:
            hint = f"it was written by xrm {told.get('version')}"
            found = Issue(MANIFEST, "newer_format", f"Its format is {told['format']}, this xrm reads {FORMAT}.", hint)
            raise BackupInvalid("The backup is of a newer xrm.", [found])
        tables = {name: TableSum(**sums) for name, sums in told.pop("tables").items()}
        return Manifest(tables=tables, missing=tuple(told.pop("missing")), **told)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(MANIFEST, f"This is no manifest of a backup ({type(error).__name__}).") from None
