"""Secrets that a client holds and the database knows by their hash only: 256 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """Return a new secret, 256 bits in 43 characters that may stand in a URL."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is kept of a secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
