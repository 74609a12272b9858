"""The components every document has: problems, parameters, headers, security."""

from __future__ import annotations

from xrm.api.openapi.parts import (
    MOMENT,
    TEXT,
    UUID,
    WHOLE,
    Json,
    many,
    obj,
    or_null,
    path_parameter,
    query_parameter,
    ref,
)
from xrm.kernel.query import MAX_PAGE


def components(cookie: str) -> Json:
    """Return the components that do not depend on the model.

    Args:
        cookie: Name of the session cookie.
    """
    return {
        "schemas": _schemas(),
        "responses": {
            "Problem": {
                "description": "It could not be done: RFC 9457 problem+json.",
                "content": {"application/problem+json": {"schema": ref("Problem")}},
            }
        },
        "parameters": _parameters(),
        "headers": {"ETag": {"description": "The record's version, for If-Match.", "schema": TEXT}},
        "securitySchemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "An API key (POST /api/keys)."},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": cookie,
                "description": "What POST /api/session sets. Writes send X-CSRF-Token, too, or come from our pages.",
            },
        },
    }


def _schemas() -> Json:
    issue = obj(
        {"path": TEXT, "code": TEXT, "message": TEXT, "hint": TEXT, "severity": TEXT}, ("path", "code", "message")
    )
    problem = obj(
        {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer"},
            "code": TEXT,
            "detail": TEXT,
            "issues": many(ref("Issue")),
            "request": TEXT,
            "retry_after": {"type": "integer"},
            "version": {"type": "integer"},
        },
        ("type", "title", "status", "code"),
    )
    change = obj(
        {
            "id": UUID,
            "changeset": UUID,
            "at": MOMENT,
            "actor": obj({"id": or_null(UUID), "label": or_null(TEXT)}),
            "source": TEXT,
            "reason": or_null(TEXT),
            "action": or_null(TEXT),
            "kind": {"type": "string", "enum": ["create", "update", "delete", "restore"]},
            "version": WHOLE,
            "before": {"type": "object"},
            "after": {"type": "object"},
            "derived": {**many(TEXT), "description": "Fields nobody sent: defaults, formulas, what hooks set."},
            "made_by": {**or_null(TEXT), "description": "Who made it, where it was not the actor: the system."},
            "origin": {**or_null(TEXT), "description": "From which part of the source: row 17."},
            "run": or_null(UUID),
            "undoes": or_null(UUID),
            "record": UUID,
            "entity": TEXT,
        }
    )
    changeset = obj(
        {
            "id": UUID,
            "cursor": or_null(WHOLE),
            "at": MOMENT,
            "actor": obj({"id": or_null(UUID), "label": or_null(TEXT)}),
            "behalf": or_null(obj({"id": or_null(UUID), "label": or_null(TEXT)})),
            "source": TEXT,
            "origin": or_null(TEXT),
            "reason": or_null(TEXT),
            "run": {**or_null(UUID), "description": "Shared by change-sets that belong together."},
            "undoes": {**or_null(UUID), "description": "The change-set or run it takes back."},
            "generation": WHOLE,
            "changes": many(ref("Change")),
        },
        ("id", "at", "source", "changes"),
    )
    return {
        "Issue": issue,
        "Problem": problem,
        "Change": change,
        "ChangeSet": changeset,
        "Verdict": obj(
            {
                "status": {"type": "integer"},
                "id": UUID,
                "version": WHOLE,
                "code": TEXT,
                "detail": TEXT,
                "issues": many(ref("Issue")),
            },
            ("status",),
        ),
    }


def _parameters() -> Json:
    header = {"in": "header", "schema": TEXT}
    made = {
        "id": path_parameter("id", UUID),
        "number": path_parameter("number", WHOLE),
        "filter": query_parameter("filter", "An expression over the record: state == 'open' && amount > 1000", TEXT),
        "sort": query_parameter("sort", "Field paths with commas between; - in front sorts downwards.", TEXT),
        "fields": query_parameter("fields", "Field paths to answer with: name,customer.name", TEXT),
        "expand": query_parameter(
            "expand", "Relations and lists whose records are shown along: customer,customer.country,lines", TEXT
        ),
        "search": query_parameter("search", "Words that must all occur.", {"type": "string", "maxLength": 200}),
        "limit": query_parameter(
            "limit",
            "Records per page.",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_PAGE,
                "default": 50,
            },
        ),
        "after": query_parameter("after", "The cursor the page before gave as `next`.", TEXT),
        "offset": query_parameter(
            "offset",
            "Records to skip; `after` is faster.",
            {
                "type": "integer",
                "minimum": 0,
                "maximum": 1_000_000,
            },
        ),
        "count": query_parameter("count", "Whether to count what is found, up to 10,000.", {"type": "boolean"}),
        "trash": query_parameter(
            "trash",
            "Live records, or deleted ones.",
            {
                "type": "string",
                "enum": ["live", "deleted"],
            },
        ),
        "as_of": query_parameter(
            "as_of", "Read the records as they were at this moment.", {"type": "string", "format": "date-time"}
        ),
        "group": query_parameter(
            "group", "Field paths; of a date also .year, .quarter, .month, .week, .day: close_date.month", TEXT
        ),
        "having": query_parameter("having", "What must hold for a group: count > 5 && sum(amount) >= 1000", TEXT),
        "values": query_parameter("values", "count, sum(amount), avg(amount), min(amount), max(amount)", TEXT),
    }
    made["if_match"] = {**header, "name": "If-Match", "required": True, "description": 'The version, "3"; * takes any.'}
    made["if_match_optional"] = {**header, "name": "If-Match", "description": 'The version the record must have, "3".'}
    made["if_none_match"] = {**header, "name": "If-None-Match", "description": "The one at hand; 304 if it still is."}
    made["idempotency_key"] = {
        **header,
        "name": "Idempotency-Key",
        "schema": {"type": "string", "maxLength": 200},
        "description": "Any text of one's own: the same request with it takes effect once and gets the same answer.",
    }
    made["change_reason"] = {
        **header,
        "name": "Change-Reason",
        "description": "Why, for the history; percent-encoded UTF-8.",
    }
    return made
