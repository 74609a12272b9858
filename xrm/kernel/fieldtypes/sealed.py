"""Texts that are encrypted in the database: those people may read, and secrets, which nobody reads again.

What travels through a write, into the table and into the history is the token (see kernel/vault.py); `reveal` turns it
into what the reader gets, for every way of reading. A value that was read may be sent back: it keeps what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrm.kernel.fieldtypes.base import KEEP, FieldType, Parsing, Refused, constant, register
from xrm.kernel.fieldtypes.text import clean_text
from xrm.metadata.model import Field

MAX_SEALED = 10_000  # characters
IS_SET: Mapping[str, bool] = {"set": True}
LOST: Mapping[str, bool] = {"lost": True}
"""What is read of a text whose key is not there."""


def _parse(field: Field, value: Any, parsing: Parsing) -> Any:
    if isinstance(value, Mapping) and value in (IS_SET, LOST):
        return KEEP
    text = clean_text(value, int(field.max or MAX_SEALED))
    if parsing.vault is None:
        raise Refused("no_key", "There is no key to encrypt this with.")
    if parsing.vault.open(text, field.type) is not None:
        return text  # a token of this site, as hooks and the history have it
    return parsing.vault.seal(text, field.type)


def _reveal_secret(token: str, parsing: Parsing) -> Any:
    return dict(IS_SET)


def _reveal_text(token: str, parsing: Parsing) -> Any:
    found = parsing.vault.open(token, "encrypted_text") if parsing.vault else None
    return dict(LOST) if found is None else found


def _secret_shape(field: Field) -> Mapping[str, Any]:
    return {"type": "object", "properties": {"set": {"type": "boolean"}}, "description": "Whether there is one."}


def _text_shape(field: Field) -> Mapping[str, Any]:
    lost = {"type": "object", "properties": {"lost": {"const": True}}, "description": "It cannot be decrypted."}
    return {"anyOf": [{"type": "string", "maxLength": int(field.max or MAX_SEALED)}, lost]}


register(
    FieldType(
        "encrypted_text",
        constant("sealed"),
        _parse,
        _text_shape,
        "json",
        "sealed",
        ordered=False,
        reveal=_reveal_text,
        holds="a text that is encrypted in the database and readable for those who may read the field",
    ),
    FieldType(
        "secret",
        constant("sealed"),
        _parse,
        _secret_shape,
        "json",
        "sealed",
        cell="none",
        ordered=False,
        accepts=("string",),
        reveal=_reveal_secret,
        exported=False,
        holds='a secret, such as a password of another system: written, encrypted, read only as `{"set": true}`',
    ),
)
