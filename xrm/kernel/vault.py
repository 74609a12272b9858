"""The vault: texts that nobody may read in the database, encrypted with keys that are not in it.

AES-SIV with 256 bits (RFC 5297) is deterministic: the same text under the same key is the same token, so that an
unchanged value is seen as unchanged. Whoever reads the database can tell that two values are equal, and nothing else.
A token names its key: ``xrm1.<key>.<base64url>``. The first key encrypts; all of them decrypt.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_TOKEN = re.compile(r"xrm1\.([0-9a-f]{12})\.([A-Za-z0-9_-]+=*)")


class Vault:
    """Encrypts and decrypts with a site's keys, which are read, or made, when they are first needed."""

    def __init__(self, keys: tuple[str, ...], file: Path) -> None:
        """Take the keys of the settings and the file that holds others.

        Args:
            keys: Texts to make keys of, the one to encrypt with first.
            file: Holds a key a line; made with a random one when there is no key at all. Only its owner may read it.
        """
        self._given, self._file = keys, file

    def __repr__(self) -> str:
        return "Vault()"

    @cached_property
    def _keys(self) -> Mapping[str, AESSIV]:
        """The keys by their names, the one to encrypt with first."""
        texts = [*self._given, *_read(self._file)]
        if not texts:
            _make(self._file)
            texts = _read(self._file)
        made = (_key(text) for text in texts)
        return {hashlib.sha256(b"xrm key name" + key).hexdigest()[:12]: AESSIV(key) for key in made}

    def seal(self, text: str, purpose: str) -> str:
        """Return the token of a text; `purpose` must be the same to open it."""
        name, key = next(iter(self._keys.items()))
        sealed = key.encrypt(text.encode(), [purpose.encode()])
        return f"xrm1.{name}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, token: str, purpose: str) -> str | None:
        """Return the text of a token; None when its key is not there, or when it is none."""
        found = _TOKEN.fullmatch(token)
        key = self._keys.get(found[1]) if found else None
        if found is None or key is None:
            return None
        try:
            return key.decrypt(base64.urlsafe_b64decode(found[2]), [purpose.encode()]).decode()
        except (InvalidTag, ValueError):
            return None


def _key(text: str) -> bytes:
    """Return the 64 bytes of a key (RFC 5869)."""
    return HKDF(hashes.SHA512(), 64, None, b"xrm encrypted fields").derive(text.strip().encode())


def _read(file: Path) -> list[str]:
    return file.read_text("utf-8").split() if file.is_file() else []


def _make(file: Path) -> None:
    """Write a new key, whole or not at all; another process may have been faster."""
    own = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    opened = os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as out:
        out.write(secrets.token_urlsafe(64) + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(own, file)
    except FileExistsError:
        pass
    finally:
        own.unlink()
