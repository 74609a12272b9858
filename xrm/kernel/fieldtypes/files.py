"""Files and images: a record keeps what a file is; its content lies in the site's store of files, by its digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused, constant, register, shape
from xrm.kernel.fieldtypes.compound import only_known
from xrm.kernel.fieldtypes.text import clean_text
from xrm.kernel.store.schema import ColumnType
from xrm.metadata.model import Field

PARTS = ("digest", "name", "media", "size")
_HINT = 'send the content to /api/files, then {"file": "<token>"}'


class StoredFile(NamedTuple):
    """A file of a record: SHA-256 of its content in hex, its name, its media type as its content says, its bytes."""

    digest: str
    name: str
    media: str
    size: int

    @property
    def leading(self) -> str:
        """The digest."""
        return self.digest


class Uploaded(NamedTuple):
    """A file that was sent before its record; the records door looks it up."""

    token: str


def _parse_file(field: Field, value: Any, parsing: Parsing) -> StoredFile | Uploaded:
    if isinstance(value, (StoredFile, Uploaded)):
        return value
    if not isinstance(value, Mapping):
        raise Refused("not_file", "This is not a file.", _HINT)
    if "file" in value:
        only_known(value, ("file",), "A file that is sent")
        return Uploaded(clean_text(value["file"], 100))
    only_known(value, PARTS, "A file")
    size = value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or any(not value.get(part) for part in PARTS[:3]):
        raise Refused("not_file", "This is not a file.", _HINT)
    digest, name, media = (clean_text(value[part], 300) for part in PARTS[:3])
    return StoredFile(digest, name, media, size)


_TEXT = ColumnType("text")
_SHAPE = shape(
    type="object",
    properties={
        "digest": {"type": "string", "description": "SHA-256, in hex."},
        "name": {"type": "string"},
        "media": {"type": "string", "description": "As the content says, not its sender."},
        "size": {"type": "integer", "description": "Bytes."},
        "file": {"type": "string", "writeOnly": True, "description": "The token that POST /api/files answered with."},
    },
)


def _type(name: str, holds: str) -> FieldType:
    return FieldType(
        name,
        constant("text"),
        _parse_file,
        _SHAPE,
        "text",
        "file",
        first="digest",
        parts=(
            Part("name", _TEXT, written=False),
            Part("media", _TEXT, title="Media type", written=False),
            Part("size", ColumnType("int"), written=False),
        ),
        make=StoredFile,
        ordered=False,
        holds=holds,
        leading=Part("digest", _TEXT, written=False),
        text=lambda field, value: str(value.get("name") or ""),
    )


register(
    _type("file", "a file of any kind"),
    _type("image", "a picture: PNG, JPEG, GIF or WebP"),
)
