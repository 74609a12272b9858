"""Signatures of webhooks: Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks), symmetric."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
BYTES = 32


def new_secret() -> str:
    """Return a fresh secret as it is handed over: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether a text is a secret: ``whsec_`` and 24 to 64 bytes in base64."""
    try:
        return text.startswith(PREFIX) and 24 <= len(_bytes(text)) <= 64
    except ValueError:
        return False


def sign(id: str, timestamp: int, body: str, with_secrets: Iterable[str]) -> str:
    """Return the header ``webhook-signature``: one signature per secret, separated by spaces."""
    content = f"{id}.{timestamp}.{body}".encode()
    made = (hmac.new(_bytes(secret), content, hashlib.sha256).digest() for secret in with_secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in made)


def _bytes(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
