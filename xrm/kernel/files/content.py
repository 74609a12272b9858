"""The store of files: contents by their digest, in a folder of the site; uploads that wait for their record.

    files/ab/abcdef…        one content, named by its SHA-256
    files/uploads/….json    what was sent: who, when, which content; named by a digest of its token
    files/thumbnails/….webp

A content is written under another name, synced and renamed, so that no content is ever half there. It is never changed;
`sweep` takes away what no record and no fresh upload names.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from xrm.errors import Malformed, StorageFull, TooLarge
from xrm.kernel.fieldtypes.files import StoredFile
from xrm.kernel.files.images import thumbnail
from xrm.kernel.files.media import HEAD, clean_name, media_type

CHUNK = 256 * 1024  # bytes read or written at once
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent and belongs to no record yet."""

    token: str
    file: StoredFile


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep took away, and how much is left."""

    uploads: int
    files: int
    freed: int  # bytes
    kept: int


class Files:
    """The files of one site.

    Args:
        folder: Where they lie.
        largest: Bytes of the largest file taken.
        hours: How long an upload waits for its record, and a content for its sweep.
        clock: The time.
    """

    def __init__(self, folder: Path, largest: int, hours: int, clock: Callable[[], datetime]) -> None:
        self._folder, self._largest, self._wait, self._clock = folder, largest, timedelta(hours=hours), clock

    # --- in ---

    async def receive(self, name: str, owner: UUID | None, pieces: AsyncIterator[bytes]) -> Upload:
        """Take a file in, piece by piece, and return it with the token by which a record of its owner may have it.

        Raises:
            StorageFull: there is no room for it; nothing is kept.
            TooLarge: it has more bytes than the site takes; nothing is kept.
            Malformed: it is empty.
        """
        with full_is_told():
            return await self._receive(name, owner, pieces)

    async def _receive(self, name: str, owner: UUID | None, pieces: AsyncIterator[bytes]) -> Upload:
        waiting = self._folder / "incoming"
        await asyncio.to_thread(waiting.mkdir, parents=True, exist_ok=True)
        path = waiting / secrets.token_hex(16)
        try:
            digest, size, head = await self._write(path, pieces)
            await asyncio.to_thread(self._place, path, digest)
        finally:
            path.unlink(missing_ok=True)
        found = StoredFile(digest, clean_name(name), media_type(head), size)
        token = secrets.token_urlsafe(32)
        await asyncio.to_thread(self._note, token, owner, found)
        return Upload(token, found)

    async def _write(self, path: Path, pieces: AsyncIterator[bytes]) -> tuple[str, int, bytes]:
        digest, size, head = hashlib.sha256(), 0, b""
        with path.open("xb") as file:
            async for piece in pieces:
                size += len(piece)
                if size > self._largest:
                    raise TooLarge(f"A file may have {self._largest:,} bytes.")
                digest.update(piece)
                head += piece[: HEAD - len(head)]
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_synced, file)
        if not size:
            raise Malformed("The file is empty.")
        return digest.hexdigest(), size, head

    def _place(self, path: Path, digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._freshen(path)
        path.replace(target)  # the same content, when it is there already, and fresh for the sweep
        _sync_folder(target.parent)

    def _note(self, token: str, owner: UUID | None, found: StoredFile) -> None:
        told = {**found._asdict(), "owner": str(owner), "at": self._clock().isoformat()}
        target = self._upload(token)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        with fresh.open("x", encoding="utf-8") as file:
            file.write(json.dumps(told))
            _synced(file)
        fresh.replace(target)
        _sync_folder(target.parent)

    def _upload(self, token: str) -> Path:
        return self._folder / "uploads" / f"{hashlib.sha256(token.encode()).hexdigest()}.json"

    # --- out ---

    def path(self, digest: str) -> Path:
        """Return where a content lies, or would lie.

        Raises:
            LookupError: this is no digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise LookupError(digest)
        return self._folder / digest[:2] / digest

    def find_upload(self, token: str, owner: UUID | None) -> StoredFile | None:
        """Return the file behind a token of this owner, if it is still waiting; its content is fresh for the sweep."""
        told = _read(self._upload(token))
        if told is None or told["owner"] != str(owner) or self._expired(told):
            return None
        path = self.path(told["digest"])
        try:
            self._freshen(path)
        except OSError:
            return None
        return StoredFile(told["digest"], told["name"], told["media"], told["size"])

    def _freshen(self, path: Path) -> None:
        now = self._clock().timestamp()
        os.utime(path, (now, now))

    def _expired(self, told: Any) -> bool:
        return datetime.fromisoformat(told["at"]) + self._wait < self._clock()

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        """Yield a content piece by piece."""
        with self.path(digest).open("rb") as file:
            while piece := await asyncio.to_thread(file.read, CHUNK):
                yield piece

    def size(self, digest: str) -> int | None:
        """Return how many bytes of a content there are; None when it is missing."""
        try:
            return self.path(digest).stat().st_size
        except (OSError, LookupError):
            return None

    def thumbnail(self, digest: str) -> bytes | None:
        """Return the thumbnail of a picture, made once; None when there is none."""
        if self.size(digest) is None:
            return None
        kept = self._folder / "thumbnails" / f"{digest}.webp"
        if kept.is_file():
            return kept.read_bytes()
        made = thumbnail(self.path(digest))
        if made is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(f".{secrets.token_hex(8)}")
            fresh.write_bytes(made)
            fresh.replace(kept)
        return made

    # --- sweep ---

    def sweep(self, named: Collection[str], hours: int | None = None) -> Swept:
        """Take away uploads that waited too long, and contents that nothing names; `named` are those of records.

        Args:
            named: Digests that records name.
            hours: How old a content must be; as long as an upload waits when not given.
        """
        uploads, waiting = self._sweep_uploads()
        wait = self._wait if hours is None else timedelta(hours=hours)
        before = (self._clock() - wait).timestamp()
        files = freed = kept = 0
        for path in self._contents():
            told = path.stat()
            if path.name in named or path.name in waiting or told.st_mtime >= before:
                kept += 1
                continue
            path.unlink()
            (self._folder / "thumbnails" / f"{path.name}.webp").unlink(missing_ok=True)
            files, freed = files + 1, freed + told.st_size
        return Swept(uploads, files, freed, kept)

    def _sweep_uploads(self) -> tuple[int, set[str]]:
        gone, waiting = 0, set()
        for path in (self._folder / "uploads").glob("*.json"):
            told = _read(path)
            if told is None or self._expired(told):
                path.unlink(missing_ok=True)
                gone += 1
            else:
                waiting.add(told["digest"])
        return gone, waiting

    def _contents(self) -> Iterator[Path]:
        yield from (p for p in self._folder.glob("[0-9a-f][0-9a-f]/*") if _DIGEST.fullmatch(p.name))


@contextmanager
def full_is_told() -> Iterator[None]:
    """Raise what the system says of a full disk, or a full quota, as ours.

    Raises:
        StorageFull: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull from None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _synced(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
