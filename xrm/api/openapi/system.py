"""The paths every site has, whatever its model."""

from __future__ import annotations

from xrm.api.openapi.decisions import decision_paths
from xrm.api.openapi.operating import operating_paths
from xrm.api.openapi.parts import (
    NOTHING,
    TEXT,
    UUID,
    WHOLE,
    Json,
    body,
    json_answer,
    many,
    obj,
    operation,
    or_null,
    query_parameter,
    ref,
)
from xrm.api.openapi.people import me, people_paths
from xrm.api.openapi.privacy import privacy_paths

BOOL: Json = {"type": "boolean"}
_SIGN_IN, _MODEL, _SITE = "Sign-in", "Model", "Site"


def public_paths() -> Json:
    """Return the paths that need no sign-in."""
    status = json_answer("Yes.", obj({"status": TEXT}, ("status",)))
    sends = body(obj({"email": TEXT, "password": TEXT, "code": TEXT}, ("email", "password"), closed=True))
    signed_in = {"201": json_answer("Signed in; the cookie carries the session.", me())}
    return {
        "/health/live": {"get": operation("live", "Does the process run?", _SITE, {"200": status}, public=True)},
        "/health/ready": {
            "get": operation(
                "ready",
                "Can it serve?",
                _SITE,
                {
                    "200": status,
                    "503": json_answer("Not yet.", obj({"status": TEXT}, ("status",))),
                },
                public=True,
            )
        },
        "/openapi.json": {
            "get": operation(
                "openapi",
                "This document",
                _SITE,
                {
                    "200": json_answer("It.", {"type": "object"}),
                    "304": {"description": "It is the one you have."},
                },
                parameters=("if_none_match",),
            )
        },
        "/api/session": {
            "post": operation("sign_in", "Sign in", _SIGN_IN, signed_in, sends=sends, public=True),
            "delete": operation("sign_out", "Sign out", _SIGN_IN, {"204": NOTHING}),
        },
    }


def private_paths() -> Json:
    """Return the paths for whoever is signed in."""
    return {
        **people_paths(),
        "/api/files": {"post": _upload()},
        **decision_paths(),
        **privacy_paths(),
        **_changes(),
        **_model(),
        **operating_paths(),
        "/api/search": {
            "get": operation(
                "search",
                "Search all entities",
                _SITE,
                {"200": json_answer("What was found, entity by entity.", obj({"results": many({"type": "object"})}))},
                parameters=(
                    {
                        **query_parameter(
                            "q", "Words that must all occur.", {"type": "string", "minLength": 2, "maxLength": 200}
                        ),
                        "required": True,
                    },
                    query_parameter("limit", "Records per entity.", {"type": "integer", "minimum": 1, "maximum": 20}),
                ),
            )
        },
    }


def _changes() -> Json:
    page = obj({"changes": many(ref("ChangeSet")), "next": WHOLE, "more": BOOL}, ("changes", "next", "more"))
    found = json_answer("What happened after the cursor, oldest first.", page)
    found["content"]["text/event-stream"] = {"schema": TEXT}
    parameters = (
        query_parameter("after", "The cursor of what is known already; 0 is the beginning.", WHOLE),
        query_parameter("limit", "Change-sets at most.", {"type": "integer", "minimum": 1, "maximum": 200}),
        query_parameter("entity", "Only what is about records of this entity.", TEXT),
    )
    summary = "What happened, in order; with Accept: text/event-stream also what happens"
    one = json_answer("It, as far as you may see it.", ref("ChangeSet"))
    feed = operation("changes", summary, _SITE, {"200": found}, parameters=parameters)
    by_id = operation("get_change_set", "One change-set", _SITE, {"200": one}, parameters=("id",))
    return {
        "/api/changes": {"get": feed},
        "/api/changes/{id}": {"get": by_id},
        "/api/changes/{id}/undo": {"post": _undo()},
    }


def _undo() -> Json:
    sends = obj({"dry_run": BOOL, "keep": {"type": "string", "enum": ["", "newer"]}}, closed=True)
    conflict = obj({"entity": TEXT, "record": UUID, "field": TEXT, "code": TEXT, "message": TEXT})
    told = {"changeset": or_null(UUID), "changes": many({"type": "object"}), "conflicts": many(conflict)}
    answers = {"200": json_answer("What it did, or would do.", obj({"undoes": UUID, **told}, ("undoes", "changes")))}
    summary = "Take back a change-set, or all of a run; what was changed since is a conflict, or kept"
    parameters = ("id", "idempotency_key", "change_reason")
    return operation("undo", summary, _SITE, answers, parameters=parameters, sends=body(sends, required=False))


def _upload() -> Json:
    file = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": obj({"file": file["schema"]}, ("file",))}
    sends = {"required": True, "content": {"application/octet-stream": file, "multipart/form-data": form}}
    told = obj({"file": TEXT, "digest": TEXT, "name": TEXT, "media": TEXT, "size": WHOLE}, ("file",))
    answers = {"201": json_answer('Kept: give a record {"file": "<this token>"} within a day.', told)}
    name = query_parameter("name", "What the file is called.", TEXT)
    return operation("send_file", "Send a file", _SITE, answers, parameters=(name,), sends=sends)


def _model() -> Json:
    issues = many(ref("Issue"))
    files = {"type": "object", "additionalProperties": TEXT, "description": "entities/….yaml → text; empty = deleted"}
    sends = body(obj({"files": files, "consent": many(TEXT), "hash": TEXT}, closed=True))
    steps = many({"type": "object"})
    found = obj({"valid": {"type": "boolean"}, "issues": issues}, ("valid", "issues"))
    plan = obj(
        {
            "base": WHOLE,
            "hash": TEXT,
            "empty": {"type": "boolean"},
            "steps": steps,
            "issues": issues,
            "warnings": issues,
            "diffs": {"type": "object", "additionalProperties": TEXT},
        },
        ("hash", "steps", "issues"),
    )
    applied = obj(
        {
            "generation": WHOLE,
            "changed": {"type": "boolean"},
            "steps": steps,
            "written": many(TEXT),
            "issues": issues,
        },
        ("generation", "changed"),
    )
    kept = many({"type": "object", "properties": {"generation": WHOLE, "entity": TEXT, "field": TEXT, "count": WHOLE}})
    back = {"generation": WHOLE, "dry_run": BOOL, "consent": many(TEXT), "hash": TEXT}
    purge = {"generation": WHOLE, "older_than": WHOLE, "dry_run": BOOL}
    generations = obj({"generations": many({"type": "object"})}, ("generations",))
    asked = {"entity": TEXT, "expression": TEXT, "id": UUID}
    why = obj(
        {
            "expression": TEXT,
            "type": TEXT,
            "tree": {"type": "object", "description": "text, type, position, value and parts, and so each part"},
            "sql": TEXT,
            "parameters": many(TEXT),
        },
        ("expression", "type", "tree"),
    )
    limit = query_parameter("limit", "Generations at most.", {"type": "integer", "minimum": 0, "maximum": 100})
    return {
        "/api/model": {
            "get": operation(
                "model",
                "The definitions you may know of",
                _MODEL,
                {
                    "200": json_answer("The model.", {"type": "object"}),
                    "304": {"description": "It is the one you have."},
                },
                parameters=("if_none_match",),
            )
        },
        "/api/model/check": {
            "post": operation(
                "check_model",
                "Check definitions",
                _MODEL,
                {
                    "200": json_answer("What was found.", found),
                },
                sends=sends,
            )
        },
        "/api/model/plan": {
            "post": operation(
                "plan_model",
                "What would applying them do?",
                _MODEL,
                {
                    "200": json_answer("The plan.", plan),
                },
                sends=sends,
            )
        },
        "/api/model/apply": {
            "post": operation(
                "apply_model",
                "Put them in force",
                _MODEL,
                {
                    "200": json_answer("What was done.", applied),
                },
                sends=sends,
            )
        },
        "/api/model/expression": {
            "post": operation(
                "explain_expression",
                "How is an expression understood, and what does it give for a record?",
                _MODEL,
                {
                    "200": json_answer("Its type, its typed tree, and for those who may read the model its SQL.", why),
                },
                sends=body(obj(asked, ("entity", "expression"), closed=True)),
            )
        },
        "/api/model/package": {
            "post": operation(
                "model_package",
                "Definitions as a package (export), or the plan of one (import)",
                _MODEL,
                {"200": json_answer("The package and its report; or the plan, and the files to apply.", obj({}))},
                sends=body(obj({"export": {"type": "object"}, "import": TEXT}, closed=True)),
            )
        },
        "/api/model/explain": {
            "get": operation(
                "model_explain",
                "Who set each property of a part of the model, and where",
                _MODEL,
                {
                    "200": json_answer(
                        "The properties, each with its value, layer, file, line and column.",
                        obj({"path": TEXT, "properties": many({"type": "object"})}, ("path", "properties")),
                    ),
                },
                parameters=(query_parameter("path", "deal, deal.amount, deal.views.list, roles.reader …", TEXT),),
            )
        },
        "/api/model/progress": {
            "get": operation(
                "model_progress",
                "How far the change of the model is, and what waits after it",
                _MODEL,
                {
                    "200": json_answer(
                        "The step of the change that this process carries out (null: none), and the jobs that wait.",
                        obj(
                            {"applying": {"type": ["object", "null"]}, "waiting": many({"type": "object"})},
                            ("applying", "waiting"),
                        ),
                    ),
                },
            )
        },
        "/api/model/history/{number}": {
            "get": operation(
                "model_generation",
                "One generation and its definitions",
                _MODEL,
                {"200": json_answer("The generation.", {"type": "object"})},
                parameters=("number",),
            )
        },
        "/api/model/rollback": {
            "post": operation(
                "rollback_model",
                "Go back to a generation, or (dry_run) see the plan",
                _MODEL,
                {
                    "200": json_answer(
                        "What was done, or the plan.", obj({**applied["properties"], **plan["properties"]})
                    )
                },
                sends=body(obj(back, ("generation",), closed=True)),
            )
        },
        "/api/model/kept": {
            "get": operation(
                "kept_values",
                "What is kept of dropped values",
                _MODEL,
                {"200": json_answer("It.", obj({"kept": kept}))},
            )
        },
        "/api/model/purge": {
            "post": operation(
                "purge_model",
                "Remove kept values for good",
                _MODEL,
                {"200": json_answer("What went, or (dry_run) would.", obj({"purged": kept, "dry_run": BOOL}))},
                sends=body(obj(purge, closed=True)),
            )
        },
        "/api/model/history": {
            "get": operation(
                "model_history",
                "What was applied before",
                _MODEL,
                {
                    "200": json_answer("Generations, newest first.", generations),
                },
                parameters=(limit,),
            )
        },
    }
