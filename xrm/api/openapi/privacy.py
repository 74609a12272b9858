"""The paths about what is kept of people."""

from __future__ import annotations

from xrm.api.openapi.parts import TEXT, Json, body, json_answer, many, obj, operation

_TAG = "Privacy"
_INT: Json = {"type": "integer"}
_ENTITY: Json = {"name": "entity", "in": "path", "required": True, "schema": TEXT, "description": "Of the person."}
_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}


def privacy_paths() -> Json:
    """Return the paths below /api/privacy."""
    one = (_ENTITY, _ID)
    erasure = "/api/privacy/{entity}/{id}/erasure"
    reason = body(obj({"reason": {**TEXT, "maxLength": 500}}, closed=True), required=False)
    told = {"200": json_answer("What it would do, and what stands against it.", _preview())}
    done = {"200": json_answer("The certificate.", _certificate())}
    kept = {"200": json_answer("What is kept of people, by entity.", obj({"processing": many(_activity())}))}
    zipped = {"200": {"description": "The report.", "content": {"application/zip": {"schema": {}}}}}
    return {
        "/api/privacy/processing": {"get": operation("processing", "Record of processing activities", _TAG, kept)},
        erasure: {
            "get": operation("previewErasure", "What would erasing a person do?", _TAG, told, parameters=one),
            "post": operation("erase", "Erase a person", _TAG, done, parameters=one, sends=reason),
        },
        "/api/privacy/{entity}/{id}/report": {
            "get": operation("subjectReport", "Everything that is kept of a person", _TAG, zipped, parameters=one),
        },
    }


def _part() -> Json:
    return obj(
        {
            "entity": TEXT,
            "id": TEXT,
            "label": {"type": ["string", "null"]},
            "fields": many(TEXT),
            "changes": _INT,
            "deleted": {"type": "boolean"},
        }
    )


def _preview() -> Json:
    return obj({"records": many(_part()), "holds": many(TEXT)}, ("records", "holds"))


def _certificate() -> Json:
    subject, log = obj({"entity": TEXT, "id": TEXT}), obj({"seq": _INT, "hash": TEXT})
    named = {"subject": subject, "at": TEXT, "by": TEXT, "reason": TEXT, "records": many(_part()), "log": log}
    return obj(named, tuple(named))


def _activity() -> Json:
    data = many(obj({"field": TEXT, "class": TEXT}))
    texts = dict.fromkeys(("entity", "title", "subjects", "purpose", "basis", "kept"), TEXT)
    return obj({**texts, "data": data, "readers": many(TEXT)})
