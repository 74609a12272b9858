"""The paths of signing in and of accounts."""

from __future__ import annotations

from xrm.api.openapi.parts import (
    MOMENT,
    NOTHING,
    TEXT,
    UUID,
    Json,
    body,
    json_answer,
    many,
    obj,
    operation,
    or_null,
    query_parameter,
)
from xrm.builtin.people.security_log import EVENTS

_SIGN_IN = "Sign-in"


def me() -> Json:
    """Return the schema of who is signed in."""
    return obj(
        {
            "id": UUID,
            "name": TEXT,
            "email": or_null(TEXT),
            "kind": TEXT,
            "mfa": {"type": "boolean", "description": "Whether a second factor was shown."},
            "withheld": {**many(TEXT), "description": "Roles that are not in force for want of one."},
            "roles": many(TEXT),
            "capabilities": many(TEXT),
            "unit": or_null(UUID),
            "teams": many(UUID),
            "csrf": TEXT,
            "expires_at": MOMENT,
        },
        ("id", "name", "kind", "roles", "capabilities"),
    )


def people_paths() -> Json:
    """Return the paths of accounts: sessions, passwords, links, API keys."""
    session = obj(
        {
            "id": UUID,
            "created_at": MOMENT,
            "seen_at": MOMENT,
            "expires_at": MOMENT,
            "client": TEXT,
            "address": TEXT,
            "mfa": {"type": "boolean"},
            "current": {"type": "boolean"},
        }
    )
    key = {
        "id": UUID,
        "prefix": TEXT,
        "title": TEXT,
        "created_at": MOMENT,
        "expires_at": or_null(MOMENT),
        "seen_at": or_null(MOMENT),
    }
    texts = ("event", "user_name", "actor_name", "address", "client", "detail")
    entry = obj({"id": UUID, "at": MOMENT, "user": or_null(UUID), "actor": or_null(UUID), **dict.fromkeys(texts, TEXT)})
    sessions = {"200": json_answer("The sessions.", obj({"sessions": many(session)}))}
    keys = {"200": json_answer("The keys, without secrets.", obj({"keys": many(obj(key))}))}
    new_key = body(obj({"title": TEXT, "expires_at": or_null(MOMENT), "user": or_null(UUID)}, ("title",), closed=True))
    secret = {"201": json_answer("The key; its secret is shown this once.", obj({**key, "secret": TEXT}, ("secret",)))}
    own = body(obj({"current": TEXT, "password": TEXT}, ("current", "password"), closed=True))
    other = body(obj({"password": TEXT}, ("password",), closed=True))
    link = obj({"purpose": TEXT, "mailed": {"type": "boolean"}, "url": or_null(TEXT), "problem": or_null(TEXT)})
    done = {"204": NOTHING}
    return {
        "/api/me": {"get": operation("me", "Who am I?", _SIGN_IN, {"200": json_answer("You.", me())})},
        "/api/me/password": {"put": operation("change_password", "Change one's password", _SIGN_IN, done, sends=own)},
        "/api/me/sessions": {"get": operation("my_sessions", "One's sessions", _SIGN_IN, sessions)},
        "/api/me/sessions/{id}": {
            "delete": operation("end_session", "End one of one's sessions", _SIGN_IN, done, parameters=("id",))
        },
        "/api/security-log": {
            "get": operation(
                "security_log",
                "Who came in, was refused, changed access or exported",
                _SIGN_IN,
                {"200": json_answer("Events, the newest first.", obj({"entries": many(entry)}, ("entries",)))},
                parameters=(
                    query_parameter("event", "Only these.", {"enum": list(EVENTS)}),
                    query_parameter("user", "Only about, or by, this user.", UUID),
                    query_parameter("before", "Only those before this entry.", UUID),
                    query_parameter("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 1000}),
                ),
            )
        },
        "/api/keys": {
            "get": operation("my_keys", "One's API keys", _SIGN_IN, keys),
            "post": operation("create_key", "Make an API key", _SIGN_IN, secret, sends=new_key),
        },
        "/api/keys/{id}": {"delete": operation("revoke_key", "Revoke an API key", _SIGN_IN, done, parameters=("id",))},
        "/api/accounts/{id}/password": {
            "put": operation(
                "reset_password", "Give a user a password", _SIGN_IN, done, parameters=("id",), sends=other
            )
        },
        "/api/accounts/{id}/link": {
            "post": operation(
                "make_link",
                "Invite a user, or let them choose a new password",
                _SIGN_IN,
                {"201": json_answer("The link was mailed, or stands here this once.", link)},
                parameters=("id",),
            )
        },
        "/api/accounts/{id}/keys": {
            "get": operation("keys_of", "A user's API keys", _SIGN_IN, keys, parameters=("id",))
        },
        "/api/accounts/{id}/sessions": {
            "get": operation("sessions_of", "A user's sessions", _SIGN_IN, sessions, parameters=("id",)),
            "delete": operation("end_sessions_of", "End a user's sessions", _SIGN_IN, done, parameters=("id",)),
        },
    }
