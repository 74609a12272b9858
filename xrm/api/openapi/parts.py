"""The small pieces an OpenAPI document is put together from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def ref(name: str, kind: str = "schemas") -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def obj(properties: Mapping[str, Any], required: Sequence[str] = (), *, closed: bool = False) -> Json:
    """Return the schema of an object."""
    schema: Json = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


def many(items: Any) -> Json:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def or_null(schema: Mapping[str, Any]) -> Json:
    """Return a schema that also takes null."""
    kind = schema.get("type")
    if kind is None:
        return dict(schema) if not schema else {"anyOf": [dict(schema), {"type": "null"}]}
    made = {**schema, "type": [kind, "null"]}
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made


def body(schema: Any, *, required: bool = True) -> Json:
    """Return a JSON request body."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def json_answer(description: str, schema: Any, *, tagged: bool = False) -> Json:
    """Return a JSON answer; a tagged one carries the record's version as ETag."""
    made: Json = {"description": description, "content": {"application/json": {"schema": schema}}}
    if tagged:
        made["headers"] = {"ETag": ref("ETag", "headers")}
    return made


def operation(
    id: str,
    summary: str,
    tag: str,
    answers: Mapping[str, Any],
    *,
    parameters: Sequence[str | Json] = (),
    sends: Json | None = None,
    public: bool = False,
) -> Json:
    """Return one operation; each may also answer with a problem.

    Args:
        id: operationId.
        summary: One line.
        tag: The group it is shown in.
        answers: Status → answer.
        parameters: Names of common parameters, or parameters.
        sends: The request body.
        public: Whether nobody needs to be signed in.
    """
    made: Json = {
        "operationId": id,
        "summary": summary,
        "tags": [tag],
        "responses": {**answers, "4XX": ref("Problem", "responses"), "5XX": ref("Problem", "responses")},
    }
    if parameters:
        made["parameters"] = [ref(p, "parameters") if isinstance(p, str) else p for p in parameters]
    if sends is not None:
        made["requestBody"] = sends
    if public:
        made["security"] = []
    return made


def query_parameter(name: str, description: str, schema: Json) -> Json:
    """Return a query parameter."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def path_parameter(name: str, schema: Json, description: str = "") -> Json:
    """Return a path parameter."""
    made = {"name": name, "in": "path", "required": True, "schema": schema}
    return {**made, "description": description} if description else made


TEXT: Json = {"type": "string"}
UUID: Json = {"type": "string", "format": "uuid"}
MOMENT: Json = {"type": "string", "format": "date-time"}
WHOLE: Json = {"type": "integer", "minimum": 0}
NOTHING: Json = {"description": "Done; there is nothing to say."}
