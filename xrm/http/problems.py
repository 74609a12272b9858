"""Every error as problem+json (RFC 9457): ours, Litestar's, and those nobody foresaw, which tell their id only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from litestar.exceptions import HTTPException

from xrm.errors import XrmError
from xrm.http.answers import Answer
from xrm.http.caller import KEY, Caller

MEDIA = b"application/problem+json"
TYPE_PREFIX = "urn:xrm:problem:"

log = logging.getLogger("xrm.http")

_CODES: Mapping[int, str] = MappingProxyType(
    {
        400: "malformed",
        401: "unauthenticated",
        403: "forbidden",
        404: "not_found",
        405: "method_not_allowed",
        413: "too_large",
        415: "unsupported_media_type",
        429: "too_many_requests",
    }
)
# Other details of an error are for our own eyes.
TOLD = frozenset({"retry_after", "version", "steps", "hint", "conflicts", "undone_by"})
NOTHING: Mapping[str, Any] = MappingProxyType({})


def problem(
    status: int,
    code: str,
    title: str,
    detail: str = "",
    request: str = "",
    issues: list[dict[str, str]] | None = None,
    details: Mapping[str, Any] = NOTHING,
) -> Answer:
    """Return a problem as an answer.

    Args:
        status: HTTP status.
        code: Stable and machine-readable.
        title: What kind of problem; the same for all of a code.
        detail: What is the matter this time.
        request: Id of the request, as the log knows it.
        issues: Findings, as `Issue.to_dict` gives them.
        details: Further members, of those in `TOLD`; ``retry_after`` and ``allow`` become headers.
    """
    body: dict[str, Any] = {"type": TYPE_PREFIX + code, "title": title, "status": status, "code": code}
    if detail and detail != title:
        body["detail"] = detail
    if issues:
        body["issues"] = issues
    body |= {name: value for name, value in details.items() if name in TOLD}
    if request:
        body["request"] = request
    return Answer(msgspec.json.encode(body, enc_hook=str), status, MEDIA, _headers(status, details))


def _headers(status: int, details: Mapping[str, Any]) -> dict[str, str]:
    headers = {}
    if "retry_after" in details:
        headers["retry-after"] = str(details["retry_after"])
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if "allow" in details:
        headers["allow"] = str(details["allow"])
    return headers


def of_error(error: XrmError, request: str = "") -> Answer:
    """Return one of our errors as an answer."""
    issues = [issue.to_dict() for issue in error.issues]
    return problem(error.status, error.code, error.title, error.message, request, issues, error.details)


def unforeseen(error: BaseException, request: str, where: str) -> Answer:
    """Return the answer to a defect of ours: it tells the id under which the log has the rest."""
    log.error("request=%s %s failed", request, where, exc_info=error)
    return problem(500, "internal", "Something went wrong here", "It was written down and will be looked at.", request)


def handle(request: Any, error: Exception) -> Answer:
    """Answer any exception of a handler (a Litestar exception handler)."""
    scope = request.scope
    known: Caller | None = scope.get(KEY)
    id = known.id if known else ""
    if isinstance(error, XrmError):
        if error.status >= 500:
            log.warning("request=%s code=%s %s", id, error.code, error.message)
        return of_error(error, id)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _of_litestar(error, id)
    return unforeseen(error, id, where(scope))


def _of_litestar(error: HTTPException, id: str) -> Answer:
    status = error.status_code
    title = HTTPStatus(status).phrase
    allow = (error.headers or {}).get("allow", "")
    details = {"allow": ", ".join(sorted(allow.split(", ")))} if allow else {}
    return problem(status, _CODES.get(status, "error"), title, _DETAILS.get(status, ""), id, details=details)


_DETAILS: Mapping[int, str] = MappingProxyType(
    {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "The body is larger than this site takes.",
    }
)


def where(scope: Any) -> str:
    """Return method and route of a request for the log: the pattern of the path, never the values in it."""
    return f"method={scope.get('method', '')} route={scope.get('path_template') or '?'}"
