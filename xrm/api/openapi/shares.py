"""The paths by which a record is shared."""

from __future__ import annotations

from xrm.api.openapi.parts import NOTHING, TEXT, UUID, Json, body, json_answer, many, obj, operation, path_parameter

_LEVEL: Json = {"type": "string", "enum": ["read", "update", "full"]}
_WHEN: Json = {"type": ["string", "null"], "format": "date-time"}
_WHO: Json = {"type": ["object", "null"], "description": "id and label; _restricted where you may not read them"}


def share_paths(base: str, entity: str, title: str, tag: str) -> Json:
    """Return the paths of the shares of an entity's records."""
    text = {"type": ["string", "null"]}
    names = {
        "type": ["array", "null"],
        "items": TEXT,
        "description": "which fields; none: the public and internal ones",
    }
    share = obj(
        {
            "id": UUID,
            "person": _WHO,
            "team": _WHO,
            "level": _LEVEL,
            "fields": names,
            "expires_at": _WHEN,
            "reason": text,
            "created_at": TEXT,
            "created_by": _WHO,
        },
        ("id", "level"),
    )
    sent = {"person": TEXT, "team": TEXT, "level": _LEVEL, "fields": many(TEXT), "expires_at": _WHEN, "reason": text}
    listed = {"200": json_answer("The shares, the newest first.", obj({"shares": many(share)}, ("shares",)))}
    made = {"201": json_answer("Shared.", share)}
    one = path_parameter("share", UUID, "The id of a share.")
    return {
        f"{base}/{{id}}/shares": {
            "get": operation(
                f"shares_of_{entity}", f"With whom one {title} is shared", tag, listed, parameters=("id",)
            ),
            "post": operation(
                f"share_{entity}",
                f"Share one {title}",
                tag,
                made,
                parameters=("id",),
                sends=body(obj(sent, closed=True)),
            ),
        },
        f"{base}/{{id}}/shares/{{share}}": {
            "delete": operation(
                f"unshare_{entity}", f"End a share of one {title}", tag, {"204": NOTHING}, parameters=("id", one)
            )
        },
    }
