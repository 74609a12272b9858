"""Signing in and out, who I am, my sessions, passwords and API keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from litestar import delete, get, post, put

from xrm.builtin.people.accounts import WITHHELD, Session
from xrm.builtin.people.keys import Key
from xrm.builtin.people.security_log import Entry
from xrm.errors import Invalid, Issue
from xrm.http.answers import Answer, answer
from xrm.http.auth import device_cookie, from_device, session_cookie
from xrm.http.caller import caller, person_only, signed_in
from xrm.http.csrf import csrf_token
from xrm.http.reading import AnyRequest, read_object, read_query, record_id, take, whole
from xrm.kernel.change import Actor
from xrm.kernel.values import to_json
from xrm.site import Site

PERSONAL = [person_only]


class SessionRoutes:
    """The routes /api/session, /api/me, /api/keys and /api/accounts."""

    def __init__(self, site: Site) -> None:
        self._site, self._accounts = site, site.accounts

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        account = "/api/accounts/{id:str}"
        return [
            post("/api/session")(self.sign_in),
            delete("/api/session", status_code=200)(self.sign_out),
            get("/api/me")(self.me),
            put("/api/me/password", guards=PERSONAL)(self.change_password),
            get("/api/me/sessions", guards=PERSONAL)(self.sessions),
            delete("/api/me/sessions/{id:str}", status_code=200, guards=PERSONAL)(self.end_session),
            get("/api/security-log")(self.security_log),
            get("/api/keys", guards=PERSONAL)(self.keys),
            post("/api/keys", guards=PERSONAL)(self.create_key),
            delete("/api/keys/{id:str}", status_code=200, guards=PERSONAL)(self.revoke_key),
            put(f"{account}/password", guards=PERSONAL)(self.reset_password),
            post(f"{account}/link", guards=PERSONAL)(self.make_link),
            get(f"{account}/keys", guards=PERSONAL)(self.keys_of),
            get(f"{account}/sessions", guards=PERSONAL)(self.sessions_of),
            delete(f"{account}/sessions", status_code=200, guards=PERSONAL)(self.end_sessions_of),
        ]

    # --- session ---

    async def sign_in(self, request: AnyRequest) -> Answer:
        """Open a session; its token is in the cookie only. One that was open before ends."""
        read_query(request)
        body = take(await read_object(request), email=str, password=str, code=(str, ""))
        known = caller(request)
        token, session = await self._accounts.sign_in(
            body["email"], body["password"], from_device(request), body["code"]
        )
        if known.token:
            await self._accounts.sign_out(known.token)
        actor = await self._accounts.session(token)
        cookies = (
            session_cookie(self._site, token),
            device_cookie(self._site, self._accounts.attempts.new_device(session.user)),
        )
        data = {**self._shown(actor, token), "expires_at": to_json(session.expires_at)} if actor else {}
        made = answer(data, 201)
        made.headers += [(b"set-cookie", cookie.to_header(header="").encode("latin-1")) for cookie in cookies]
        return made

    async def sign_out(self, request: AnyRequest) -> Answer:
        """End the session the request came with."""
        read_query(request)
        signed_in(request)
        if token := caller(request).token:
            await self._accounts.sign_out(token)
        return Answer(status=204, headers={"set-cookie": session_cookie(self._site, "").to_header(header="")})

    async def me(self, request: AnyRequest) -> Answer:
        """Answer with who asks."""
        read_query(request)
        return answer(self._shown(signed_in(request), caller(request).token))

    def _shown(self, actor: Actor, token: str) -> dict[str, Any]:
        model = self._site.kernel.model
        held = {c for r in actor.roles if r in model.roles for c in model.roles[r].capabilities}
        shown: dict[str, Any] = {
            "id": str(actor.id),
            "name": actor.name,
            "email": actor.user.get("email"),
            "kind": actor.kind,
            "mfa": actor.mfa,
            "withheld": list(actor.user.get(WITHHELD, ())),
            "roles": sorted(actor.roles),
            "capabilities": sorted(held),
            "unit": to_json(actor.user.get("unit")),
            "teams": [str(team) for team in actor.user.get("teams", ())],
        }
        return {**shown, "csrf": csrf_token(token)} if token else shown

    # --- mine ---

    async def change_password(self, request: AnyRequest) -> Answer:
        """Give oneself another password."""
        read_query(request)
        body = take(await read_object(request), current=str, password=str)
        known, actor = caller(request), signed_in(request)
        await self._accounts.change_password(actor, body["current"], body["password"], known.client, known.token)
        return Answer(status=204)

    async def sessions(self, request: AnyRequest) -> Answer:
        """Answer with one's own sessions."""
        read_query(request)
        current = await self._accounts.session_id(caller(request).token)
        found = await self._accounts.sessions(_id(signed_in(request)))
        return answer({"sessions": [{**_session(s), "current": s.id == current} for s in found]})

    async def end_session(self, request: AnyRequest) -> Answer:
        """End one of one's own sessions."""
        read_query(request)
        await self._accounts.end_session(_id(signed_in(request)), record_id(request))
        return Answer(status=204)

    async def keys(self, request: AnyRequest) -> Answer:
        """Answer with one's own API keys."""
        read_query(request)
        return answer({"keys": [_key(k) for k in await self._accounts.api_keys.list(_id(signed_in(request)))]})

    async def create_key(self, request: AnyRequest) -> Answer:
        """Make an API key; this answer is the only one that shows its secret."""
        read_query(request)
        actor = signed_in(request)
        body = take(await read_object(request), title=str, expires_at=(str, None), user=(str, None))
        user = _id(actor) if body["user"] is None else _uuid(body["user"], "user")
        secret, key = await self._accounts.api_keys.create(actor, user, body["title"], _moment(body["expires_at"]))
        return answer({**_key(key), "secret": secret}, 201)

    async def revoke_key(self, request: AnyRequest) -> Answer:
        """Revoke an API key."""
        read_query(request)
        await self._accounts.api_keys.revoke(signed_in(request), record_id(request))
        return Answer(status=204)

    async def security_log(self, request: AnyRequest) -> Answer:
        """Answer with what happened at the door, the newest first."""
        given = read_query(request, frozenset({"event", "user", "before", "limit"}))
        user = _uuid(given["user"], "user") if "user" in given else None
        before = _uuid(given["before"], "before") if "before" in given else None
        entries = await self._accounts.log.read(
            signed_in(request), given.get("event", ""), user, before, whole(given, "limit", 100)
        )
        return answer({"entries": [_entry(e) for e in entries]})

    # --- of those one looks after ---

    async def reset_password(self, request: AnyRequest) -> Answer:
        """Give a user another password; all sessions of theirs end."""
        read_query(request)
        body = take(await read_object(request), password=str)
        await self._accounts.reset_password(signed_in(request), record_id(request), body["password"])
        return Answer(status=204)

    async def make_link(self, request: AnyRequest) -> Answer:
        """Make an invitation or a link for a new password; it is mailed, or answered this once."""
        read_query(request)
        handed = await self._accounts.links.hand(signed_in(request), record_id(request))
        told = {"url": handed.url or None, "problem": handed.problem or None}
        return answer({"purpose": handed.purpose, "mailed": not handed.url, **told}, 201)

    async def keys_of(self, request: AnyRequest) -> Answer:
        """Answer with a user's API keys."""
        read_query(request)
        return answer(
            {"keys": [_key(k) for k in await self._accounts.api_keys.list(await self._looked_after(request))]}
        )

    async def sessions_of(self, request: AnyRequest) -> Answer:
        """Answer with a user's sessions."""
        read_query(request)
        found = await self._accounts.sessions(await self._looked_after(request))
        return answer({"sessions": [_session(s) for s in found]})

    async def end_sessions_of(self, request: AnyRequest) -> Answer:
        """End all sessions of a user."""
        read_query(request)
        user = await self._looked_after(request)
        await self._accounts.end_sessions(user)
        await self._accounts.log.note("sessions_ended", user, signed_in(request))
        return Answer(status=204)

    async def _looked_after(self, request: AnyRequest) -> UUID:
        user = record_id(request)
        await self._accounts.authorise(signed_in(request), user)
        return user


def _id(actor: Actor) -> UUID:
    assert actor.id is not None  # noqa: S101 - whoever comes in over HTTP is a user
    return actor.id


def _session(session: Session) -> dict[str, Any]:
    names = ("id", "created_at", "seen_at", "expires_at", "client", "address", "mfa")
    return {name: to_json(getattr(session, name)) for name in names}


def _key(key: Key) -> dict[str, Any]:
    names = ("id", "prefix", "title", "created_at", "expires_at", "seen_at")
    return {name: to_json(getattr(key, name)) for name in names}


def _entry(entry: Entry) -> dict[str, Any]:
    names = ("id", "at", "event", "user", "user_name", "actor", "actor_name", "address", "client", "detail")
    return {name: to_json(getattr(entry, name)) for name in names}


def _uuid(text: str, path: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(issues=[Issue(path, "not_id", "This is not the id of a record.")]) from None


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(issues=[Issue("expires_at", "not_datetime", "This is not a time.", "like 2026-12-31T12:00:00Z")])
