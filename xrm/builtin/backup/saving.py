"""A running site → one file, as it was at one moment, while others write."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from xrm.builtin.backup.archive import (
    DEFINITIONS,
    FORMAT,
    KEYS,
    MANIFEST,
    SCHEMA,
    BackupInvalid,
    Manifest,
    TableSum,
    writing,
)
from xrm.builtin.backup.cells import Rows, Sum
from xrm.builtin.backup.snapshot import Snapshot, snapshot
from xrm.errors import Issue
from xrm.kernel.files.attaching import named_digests
from xrm.kernel.kernel import Kernel
from xrm.kernel.migration.journal import schema_to_json
from xrm.kernel.store.schema import Schema, Table

LEFT_OUT = frozenset({"xrm_session", "xrm_link", "xrm_attempt"})
"""Tables that are not kept: who is signed in just now."""

Tell = Callable[[str], None]
PIECE = 1_000_000  # bytes of a content read at a time


@dataclass(frozen=True, slots=True)
class Contents:
    """What was kept of the files."""

    kept: dict[str, int]
    missing: tuple[str, ...]


async def save(kernel: Kernel, path: Path, version: str, passphrase: str = "", tell: Tell = lambda _: None) -> Manifest:
    """Write a backup of a site and return what it says of itself.

    Args:
        kernel: The site; others may go on writing to it.
        path: The new file.
        version: Of xrm.
        passphrase: Seals the keys of encrypted fields, which are left out without one.
        tell: Hears how far it is.

    Raises:
        BackupInvalid: the file exists.
    """
    await kernel.feed.sealing.catch_up()
    with writing(path) as archive:
        async with snapshot(kernel.store, kernel.settings.database_url) as moment:
            number, schema, sources = await moment.generation()
            sums = await _tables(archive, moment, schema, tell)
        archive.writestr(SCHEMA, json.dumps(schema_to_json(schema)))
        archive.writestr(DEFINITIONS, json.dumps(sources, ensure_ascii=False))
        tell("files")
        contents = await _contents(archive, kernel)
        if passphrase:
            archive.writestr(KEYS, await asyncio.to_thread(_sealed, kernel, passphrase))
        manifest = Manifest(
            format=FORMAT,
            version=version,
            made_at=kernel.clock().isoformat(),
            title=kernel.settings.title,
            generation=number,
            tables={name: TableSum(sum.rows, sum.digest) for name, sum in sums.items()},
            files=contents.kept,
            missing=contents.missing,
            damaged=sum(one.damaged for one in sums.values()),
            sealed_keys=bool(passphrase),
        )
        archive.writestr(MANIFEST, manifest.to_json())
    return manifest


def kept_tables(schema: Schema) -> list[Table]:
    """Return the tables that are kept, by name."""
    return sorted((t for t in schema.tables.values() if t.name not in LEFT_OUT), key=lambda t: t.name)


async def table_lines(moment: Snapshot, table: Table, sum: Sum) -> AsyncIterator[list[bytes]]:
    """Yield the lines of a table, some at a time, counted in."""
    rows = Rows(table, moment.dialect)
    async for some in moment.table(table):
        yield await asyncio.to_thread(_listed, rows, some, sum)


def _listed(rows: Rows, some: Sequence[Sequence[Any]], sum: Sum) -> list[bytes]:
    return list(rows.lines(some, sum))


async def _tables(archive: zipfile.ZipFile, moment: Snapshot, schema: Schema, tell: Tell) -> dict[str, Sum]:
    sums: dict[str, Sum] = {}
    for table in kept_tables(schema):
        tell(table.name)
        sum = sums[table.name] = Sum()
        with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as out:
            async for lines in table_lines(moment, table, sum):
                await asyncio.to_thread(out.write, b"".join(line + b"\n" for line in lines))
    return sums


async def _contents(archive: zipfile.ZipFile, kernel: Kernel) -> Contents:
    """Keep the contents that records name. They are never changed, so it does not matter that others write."""
    kept: dict[str, int] = {}
    missing = []
    for digest in sorted(await named_digests(kernel.store, kernel.live.model)):
        size = await asyncio.to_thread(_content, archive, kernel.files.path(digest), digest)
        if size is None:
            missing.append(digest)
        else:
            kept[digest] = size
    return Contents(kept, tuple(missing))


def _content(archive: zipfile.ZipFile, path: Path, digest: str) -> int | None:
    """Write one content; return its bytes, None when it is missing or not what its name says."""
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                return None
        archive.write(path, f"files/{digest}", zipfile.ZIP_STORED)
        return path.stat().st_size
    except FileNotFoundError:
        return None


# --- the keys of encrypted fields -------------------------------------------------------------------------------------


def _sealed(kernel: Kernel, passphrase: str) -> str:
    settings = kernel.settings
    there = settings.key_file.read_text("utf-8") if settings.key_file.is_file() else ""
    keys = "\n".join([*settings.secret_key, *there.split()])
    salt, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, keys.encode(), None)
    told = {"salt": salt, "nonce": nonce, "keys": sealed}
    return json.dumps({name: base64.b64encode(value).decode() for name, value in told.items()})


def unsealed(text: str, passphrase: str) -> str:
    """Return the keys that a backup holds, one per line.

    Raises:
        BackupInvalid: it is another passphrase.
    """
    told = {name: base64.b64decode(value) for name, value in json.loads(text).items()}
    try:
        return AESGCM(_key(passphrase, told["salt"])).decrypt(told["nonce"], told["keys"], None).decode()
    except InvalidTag:
        found = Issue(KEYS, "wrong_passphrase", "The keys cannot be opened with this passphrase.")
        raise BackupInvalid("The keys were not put back.", [found]) from None


def _key(passphrase: str, salt: bytes) -> bytes:
    """Return the key of a passphrase (RFC 7914)."""
    return Scrypt(salt, 32, 2**15, 8, 1).derive(passphrase.encode())
