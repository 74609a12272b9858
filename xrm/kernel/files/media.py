"""What a file is by its content, and what it may be called. Nothing its sender says of it is believed."""

from __future__ import annotations

import re
import unicodedata

HEAD = 4096  # bytes looked at
MAX_NAME = 200  # characters
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
UNKNOWN = "application/octet-stream"

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),  # also office documents
    (b"\x1f\x8b", "application/gzip"),
)


def media_type(head: bytes) -> str:
    """Return the media type of a file by its first bytes: one of a few that are sure, else that of unknown bytes.

    HTML and SVG are plain text here: nothing that a browser would run is ever named.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    found = next((media for magic, media in _MAGIC if head.startswith(magic)), "")
    return found or ("text/plain" if head and _is_text(head) else UNKNOWN)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD:  # a character cut off at the end is none of its faults
            return False
        text = head[: error.start].decode("utf-8")
    return not any(unicodedata.category(c) == "Cc" and c not in "\t\n\r\f" for c in text)


def clean_name(text: str) -> str:
    """Return a name a file may have: no folders, no invisible or bidirectional signs, not too long."""
    name = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(" " if c.isspace() else c for c in name if c.isspace() or unicodedata.category(c)[0] != "C")
    name = re.sub(r'[<>:"|?*]', "_", " ".join(name.split())).strip(". ")
    stem, dot, ending = name.rpartition(".")
    if len(name) > MAX_NAME and dot and len(ending) <= 10:
        name = f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"
    return name[:MAX_NAME] or "file"
