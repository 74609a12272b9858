"""What happened, over HTTP: the feed (as pages and as server-sent events), one change-set, the history of a field."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from litestar import get, post

from xrm.api.once import Writes
from xrm.errors import Issue, Malformed, Unavailable
from xrm.http.answers import Answer, Stream, answer
from xrm.http.caller import header, signed_in
from xrm.http.reading import AnyRequest, read_optional_object, read_query, record_id, take, whole
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor
from xrm.kernel.history.feed import Feed
from xrm.site import Site

EVENTS = b"text/event-stream"
STREAM_SECONDS = 60.0  # then the client comes again, with its cursor, and with its rights of then
LOOK_SECONDS = 1.0  # how often other processes' changes are looked for
REST_SECONDS = 0.2  # between two looks, however much happens
MAX_STREAMS = 500  # open at once in one process


class ChangeRoutes:
    """The routes below /api/changes, and those of the histories of fields."""

    def __init__(self, site: Site, writes: Writes) -> None:
        self._kernel, self._writes = site.kernel, writes
        self._streams = 0

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/changes")(self.feed),
            get("/api/changes/{id:str}")(self.one),
            post("/api/changes/{id:str}/undo")(self.undo),
            get("/api/{entity:str}/{id:str}/blame")(self.blame),
            get("/api/{entity:str}/{id:str}/fields/{field:str}/history")(self.field_history),
        ]

    async def feed(self, request: AnyRequest) -> Answer:
        """Answer with what happened after a cursor; as events, go on with what happens."""
        actor = signed_in(request)
        given = read_query(request, frozenset({"after", "limit", "entity"}))
        entity, feed = given.get("entity", ""), self._kernel.feed
        if EVENTS.decode() in header(request.scope, b"accept"):
            after = await _start(request, feed, whole(given, "after", -1))
            await feed.read(actor, after, 1, entity)  # what is refused is refused before the stream begins
            return self._stream(actor, after, entity)
        news = await feed.read(actor, whole(given, "after", 0), whole(given, "limit", 50), entity)
        return answer({"changes": news.changes, "next": news.cursor, "more": news.more})

    async def one(self, request: AnyRequest) -> Answer:
        """Answer with one change-set."""
        actor = signed_in(request)
        read_query(request)
        return answer(await self._kernel.feed.find(actor, record_id(request)))

    async def undo(self, request: AnyRequest) -> Answer:
        """Take a change-set or a run back; with `dry_run`, answer with what that would do."""
        actor, id = signed_in(request), record_id(request)
        read_query(request)
        asked = take(await read_optional_object(request), dry_run=(bool, False), keep=(str, ""))
        if asked["keep"] not in ("", "newer"):
            raise Malformed(issues=[Issue("keep", "unknown_value", 'It is "newer", or left out.')])
        records = self._kernel.records
        if asked["dry_run"]:
            return answer({**(await records.preview_undo(actor, id)).to_dict(), "dry_run": True})

        async def work(_: Act) -> Answer:
            return answer((await records.undo(actor, id, keep=asked["keep"])).to_dict())

        return await self._writes.once(request, actor, work)

    async def blame(self, request: AnyRequest) -> Answer:
        """Answer, for each field of a record, with what put its present value there."""
        actor = signed_in(request)
        read_query(request)
        found = await self._kernel.records.blame(actor, request.path_params["entity"], record_id(request))
        return answer({"fields": found})

    async def field_history(self, request: AnyRequest) -> Answer:
        """Answer with who or what gave a field its values, the present one first."""
        actor = signed_in(request)
        read_query(request)
        entity, field = request.path_params["entity"], request.path_params["field"]
        return answer({"values": await self._kernel.records.field_history(actor, entity, record_id(request), field)})

    def _stream(self, actor: Actor, after: int, entity: str) -> Stream:
        if self._streams >= MAX_STREAMS:
            raise Unavailable("Too many follow the changes already.", retry_after=5)
        return Stream(self._events(actor, after, entity), EVENTS, {"cache-control": "no-store"})

    async def _events(self, actor: Actor, after: int, entity: str) -> AsyncIterator[bytes]:
        feed, bell = self._kernel.feed, self._kernel.bell
        ends = time.monotonic() + STREAM_SECONDS
        self._streams += 1
        try:
            yield b"retry: 2000\n\n"
            while time.monotonic() < ends:
                news = await feed.read(actor, after, 50, entity)
                yield b"".join(map(_event, news.changes)) or b": still here\n\n"
                after = news.cursor
                if not news.more:
                    await bell.wait(LOOK_SECONDS)
                await asyncio.sleep(REST_SECONDS)
        finally:
            self._streams -= 1


async def _start(request: AnyRequest, feed: Feed, after: int) -> int:
    """Return where a stream begins: behind the last event the client got, behind `after`, or now."""
    last = header(request.scope, b"last-event-id")
    if last:
        if not (last.isascii() and last.isdigit() and len(last) < 19):
            raise Malformed("Last-Event-ID is not a cursor of this feed.")
        return int(last)
    return after if after >= 0 else await feed.end()


def _event(told: dict[str, Any]) -> bytes:
    """Return a change-set as a server-sent event (HTML Living Standard, 9.2)."""
    return f"id: {told['cursor']}\nevent: change\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()
