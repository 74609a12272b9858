"""The paths about what the policy decides."""

from __future__ import annotations

from xrm.api.openapi.parts import TEXT, UUID, WHOLE, Json, body, json_answer, many, obj, operation, query_parameter

_TAG = "Permissions"
_BOOL: Json = {"type": "boolean"}
_MAYBE: Json = {"type": ["boolean", "null"]}


def decision_paths() -> Json:
    """Return the paths by which rights are looked into."""
    parameters = (
        {**query_parameter("actor", "Id or e-mail address of a user.", TEXT), "required": True},
        {**query_parameter("action", "read, create, update …, or run:<action>.", TEXT), "required": True},
        {**query_parameter("entity", "Of which records.", TEXT), "required": True},
        query_parameter("id", "One record.", UUID),
        query_parameter("field", "One field of it.", TEXT),
    )
    told = {"200": json_answer("The decision, what decides it, and what would change it.", _decision())}
    return {
        "/api/why": {
            "get": operation("why", "Why may somebody do something, or not?", _TAG, told, parameters=parameters),
        },
        "/api/model/what-if": {
            "post": operation(
                "what_if",
                "Who would gain and lose what by changed roles?",
                _TAG,
                {"200": json_answer("The effects, per person, entity and action.", _outlook())},
                sends=body(obj({"files": {"type": "object", "additionalProperties": TEXT}}, closed=True)),
            ),
        },
    }


def _outlook() -> Json:
    turn = obj({"records": WHOLE, "more": _BOOL, "samples": many(TEXT), "fields": many(TEXT), "action": _BOOL})
    effect = obj({"person": TEXT, "entity": TEXT, "action": TEXT, "gains": turn, "loses": turn})
    return obj({"people": WHOLE, "effects": many(effect), "complete": _BOOL}, ("people", "effects", "complete"))


def _decision() -> Json:
    part = obj({"part": TEXT, "text": TEXT, "holds": _MAYBE})
    grant = {"role": TEXT, "grant": {"type": "integer"}, "place": TEXT, "held": _BOOL, "holds": _MAYBE}
    grants = many(obj({**grant, "gives_field": _MAYBE, "rows": many(part)}))
    right = obj({"action": TEXT, "holds": _BOOL, "grants": grants})
    return obj(
        {
            "allowed": _BOOL,
            "because": TEXT,
            "person": TEXT,
            "roles": many(TEXT),
            "action": TEXT,
            "entity": TEXT,
            "id": {"type": ["string", "null"]},
            "field": {"type": ["string", "null"]},
            "rights": many(right),
            "changes": many(TEXT),
            "facts": {"type": "object"},
        },
        ("allowed", "because", "rights", "changes"),
    )
