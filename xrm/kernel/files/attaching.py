"""Files of records: what a write names must have been sent by whoever writes, or be what the record has already."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from xrm.errors import Issue
from xrm.kernel.change import Actor, Change
from xrm.kernel.fieldtypes.files import StoredFile, Uploaded
from xrm.kernel.files.content import Files
from xrm.kernel.files.images import is_picture
from xrm.kernel.files.media import IMAGES
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store
from xrm.metadata.model import Entity, Field, Model

TYPES = frozenset({"file", "image"})


async def attach(files: Files, actor: Actor, change: Change, values: dict[str, Any], issues: list[Issue]) -> None:
    """Put the files behind the tokens in their place.

    A digest alone gives nobody a file: it must be the one that the record has, or anybody who knows the digest of a
    content would get at it.
    """
    for name, value in list(values.items()):
        if not isinstance(value, (Uploaded, StoredFile)):
            continue
        found = await _found(files, actor, change.entity.fields[name], value, change.before.get(name))
        if isinstance(found, Issue):
            issues.append(found)
            del values[name]
        else:
            values[name] = found


async def _found(
    files: Files, actor: Actor, field: Field, value: Uploaded | StoredFile, held: Any
) -> StoredFile | Issue:
    if isinstance(value, StoredFile):
        hint = "send the content to /api/files first"
        return value if value == held else Issue(field.name, "not_uploaded", "This file is not the record's.", hint)
    file = await asyncio.to_thread(files.find_upload, value.token, actor.id)
    if file is None:
        return Issue(
            field.name, "not_uploaded", "There is no such upload of yours, or it waited too long.", "send it again"
        )
    if field.type == "image" and not await asyncio.to_thread(_picture, files, file):
        return Issue(
            field.name, "not_image", "This is not a picture, or it has too many pixels.", "PNG, JPEG, GIF or WebP"
        )
    return file


def _picture(files: Files, file: StoredFile) -> bool:
    return file.media in IMAGES and is_picture(files.path(file.digest))


def file_fields(entity: Entity) -> Mapping[str, Field]:
    """Return the fields of an entity that keep a file."""
    return {field.name: field for field in entity.fields.values() if field.type in TYPES and not field.removed}


async def named_digests(store: Store, model: Model) -> frozenset[str]:
    """Return the digests that records name, those in the trash included."""
    found: set[str] = set()
    for entity in model.entities.values():
        for name in file_fields(entity):
            rows = await store.fetch(f"SELECT DISTINCT {quote(name)} FROM {quote(entity.name)}", [])
            found.update(row[0] for row in rows if row[0])
    return frozenset(found)
