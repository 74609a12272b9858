"""Reading a request: its query, its JSON body, its preconditions. Whatever cannot be read is 400, never 500."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException

from xrm.errors import Issue, Malformed, NotFound, Precondition, PreconditionNeeded, TooLarge, UnsupportedMedia
from xrm.http.caller import header

MAX_QUERY = 16_384  # bytes
BODY_SECONDS = 60.0  # in which a body must have come
_NUMBER = re.compile(r"[0-9]{1,9}")
_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e]*)"\s*(?:,|$)')

AnyRequest = Request[Any, Any, Any]


def read_query(request: AnyRequest, known: frozenset[str] = frozenset()) -> Mapping[str, str]:
    """Return the query's parameters.

    Raises:
        Malformed: one is not among the `known`, or is given twice, or the query is not UTF-8.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:
        return {}
    if len(raw) > MAX_QUERY:
        raise Malformed("The query is too long.")
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Malformed("The query cannot be read.") from None
    found: dict[str, str] = {}
    issues = []
    for name, value in pairs:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else "one of " + ", ".join(sorted(known)) if known else ""
            issues.append(Issue(name[:60], "unknown_parameter", f"There is no parameter {name[:60]!r}.", hint))
        elif name in found:
            issues.append(Issue(name, "given_twice", f"{name!r} is given twice."))
        elif "\x00" in value:
            issues.append(Issue(name, "bad_character", "A NUL character is not allowed."))
        found[name] = value
    if issues:
        raise Malformed("The query has parameters that are not taken", issues)
    return found


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter that is a whole number without sign; its bounds are the callee's."""
    text = query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text):
        raise Malformed(issues=[Issue(name, "not_integer", "This must be a whole number.")])
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return a parameter that is true or false; false when it is not given."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise Malformed(issues=[Issue(name, "not_boolean", "This must be true or false.")])
    return text == "true"


def words(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return a parameter that is a list with commas."""
    return tuple(word.strip() for word in query.get(name, "").split(",") if word.strip())


def record_id(request: AnyRequest, name: str = "id") -> UUID:
    """Return the id in the path; what is no id is the id of nothing."""
    text = request.path_params[name]
    try:
        return UUID(text) if len(text) == 36 else _nothing()
    except ValueError:
        return _nothing()


def _nothing() -> UUID:
    raise NotFound("There is no record with this id.")


# --- bodies ---------------------------------------------------------------------------------------------------------


async def read_json(request: AnyRequest) -> Any:
    """Return the JSON body.

    Raises:
        UnsupportedMedia: it is not said to be JSON.
        Malformed: it is not JSON, not UTF-8, or nested too deep.
        TooLarge: it is larger than the site allows.
    """
    media, _, parameters = header(request.scope, b"content-type").partition(";")
    if media.strip().lower() != "application/json" or not _is_utf8(parameters):
        raise UnsupportedMedia
    try:
        return msgspec.json.decode(await read_body(request))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else "not valid JSON in UTF-8"
        raise Malformed(f"The body is {reason}.") from None


def _is_utf8(parameters: str) -> bool:
    match = re.search(r"charset\s*=\s*\"?([^\";\s]+)", parameters, re.IGNORECASE)
    return match is None or match[1].lower() in ("utf-8", "utf8")


async def read_body(request: AnyRequest) -> bytes:
    """Return the body as bytes.

    Raises:
        TooLarge: it is larger than the site allows.
        Malformed: the client went away before it was complete, or took too long.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise Malformed("The body did not come in time.") from None
    except HTTPException as error:
        if error.status_code == 413:
            raise TooLarge("The body is larger than this site takes.") from None
        raise Malformed("The body is not complete.") from None


async def read_object(request: AnyRequest) -> dict[str, Any]:
    """Return the JSON body, which must be an object."""
    data = await read_json(request)
    if not isinstance(data, dict):
        raise Malformed("The body must be a JSON object.")
    return data


async def read_optional_object(request: AnyRequest) -> dict[str, Any]:
    """Return the JSON body, or an empty object when there is none."""
    return await read_object(request) if await read_body(request) else {}


def take(body: Mapping[str, Any], **types: Any) -> dict[str, Any]:
    """Return the members of a body of a fixed form: name=type, or name=(type, default) for one that may be left out.

    Raises:
        Malformed: one is unknown, missing or of another type; all of them at once.
    """
    issues = [
        Issue(name[:60], "unknown_key", f"There is no {name[:60]!r} here.", _near(name, types))
        for name in body
        if name not in types
    ]
    found = {}
    for name, expected in types.items():
        kind, default = expected if isinstance(expected, tuple) else (expected, ...)
        value = body.get(name, default)
        if value is ...:
            issues.append(Issue(name, "required", f"{name!r} is needed."))
        elif value is default or _fits(value, kind):
            found[name] = value
        else:
            issues.append(Issue(name, "wrong_type", f"{name!r} has another form."))
    if issues:
        raise Malformed("The body has another form", issues)
    return found


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        return False
    return True


# --- preconditions (RFC 9110 §13) -----------------------------------------------------------------------------------


def etag(version: Any) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def expected_versions(request: AnyRequest, *, needed: bool) -> tuple[int, ...]:
    """Return the versions If-Match names; () = any (``*``, or no header where none is needed).

    Raises:
        PreconditionNeeded: it is needed and missing.
        Malformed: it cannot be read.
        Precondition: none of its tags can be a version of ours (weak ones never match).
    """
    text = header(request.scope, b"if-match").strip()
    if not text:
        if needed:
            raise PreconditionNeeded('Send If-Match: "<version>" (or * to change whatever is there).')
        return ()
    if text == "*":
        return ()
    tags = read_tags(text)
    versions = tuple(int(tag) for weak, tag in tags if not weak and _NUMBER.fullmatch(tag))
    if not versions:
        raise Precondition
    return versions


def read_tags(text: str) -> list[tuple[bool, str]]:
    """Return the entity tags of a header: whether weak, and the tag."""
    found: list[tuple[bool, str]] = []
    place = 0
    while place < len(text):
        match = _TAG.match(text, place)
        if match is None or len(found) >= 20:
            raise Malformed("If-Match and If-None-Match hold tags in quotation marks.")
        found.append((bool(match[1]), match[2]))
        place = match.end()
    return found


def unchanged(request: AnyRequest, tag: str) -> bool:
    """Whether If-None-Match names the tag: the client has this version already."""
    text = header(request.scope, b"if-none-match").strip()
    if not text:
        return False
    return text == "*" or any(f'"{given}"' == tag for _, given in read_tags(text))
