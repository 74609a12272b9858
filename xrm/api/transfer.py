"""Files in and out: import and export of tables, workbooks, JSON, vCards and calendars."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from litestar import get, post

from xrm.api.asking import LIST, read_list
from xrm.builtin.transfer.exporting import FORMATS, export
from xrm.builtin.transfer.importing import Import
from xrm.builtin.transfer.layout import MEDIA, detect
from xrm.builtin.transfer.mapping import ImportMapping, check_mapping, load_mapping
from xrm.builtin.transfer.reading import Table, open_table
from xrm.builtin.transfer.suggest import suggest
from xrm.errors import Forbidden, Invalid, Issue, NotFound, UnsupportedMedia
from xrm.http.answers import Answer, Stream, answer
from xrm.http.caller import header, signed_in
from xrm.http.reading import AnyRequest, flag, read_body, read_query
from xrm.kernel.change import Actor
from xrm.metadata.model import Entity
from xrm.site import Site

EXPORT = (LIST - {"limit", "after", "offset", "count", "trash", "expand"}) | {"format"}
IMPORT = frozenset({"mapping", "key", "rehearse"})


class TransferRoutes:
    """The routes /api/{entity}/export and /api/{entity}/import."""

    def __init__(self, site: Site) -> None:
        self._log = site.accounts.log
        self._kernel, self._mappings = site.kernel, site.settings.folder / "mappings"

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/api/{entity:str}/export")(self.export), post("/api/{entity:str}/import")(self.take_in)]

    async def export(self, request: AnyRequest) -> Stream:
        """Answer with a file of the records a query finds."""
        actor, entity = signed_in(request), request.path_params["entity"]
        given = read_query(request, EXPORT)
        format = given.get("format", "csv")
        pieces = export(self._kernel, actor, entity, read_list(given), format)
        first = await anext(pieces, b"")  # whatever is refused is refused before the answer begins
        about = f"{entity} as {format}" + (f" where {given['filter']}" if given.get("filter") else "")
        await self._log.note("exported", actor.id, actor, detail=about)
        headers = {"content-disposition": f'attachment; filename="{entity}.{FORMATS[format].ending}"'}
        return Stream(_joined(first, pieces), FORMATS[format].media.encode(), headers)

    async def take_in(self, request: AnyRequest) -> Answer:
        """Bring the rows of a file in (or rehearse it), and answer with what became of them."""
        actor = self._kernel.situated(replace(signed_in(request), source="import"))
        given = read_query(request, IMPORT)
        entity = self._entity(actor, request.path_params["entity"])
        media = header(request.scope, b"content-type").partition(";")[0].strip().lower()
        if media not in MEDIA:
            raise UnsupportedMedia(f"Send one of {', '.join(MEDIA)}.")
        stream, name = io.BytesIO(await read_body(request)), f"body.{MEDIA[media]}"
        table, mapping = await asyncio.to_thread(self._opened, entity, given, stream, name)
        work = Import(self._kernel, actor, mapping)
        report = await (work.rehearse(table) if flag(given, "rehearse") else work.run(table))
        found = {**report.to_dict(), "key": list(mapping.key), "ignored": list(mapping.ignore)}
        return answer(found, headers={"change-set": report.run} if report.run else None)

    def _entity(self, actor: Actor, name: str) -> Entity:
        policy = self._kernel.live.policy
        access = policy.access(actor, name, "read")
        if access is None:
            raise NotFound(f"There is no entity {name!r}.")
        if policy.access(actor, name, "import") is None:
            raise Forbidden("You may not import records of this entity.")
        return access.entity

    def _opened(self, entity: Entity, given: Any, stream: io.BytesIO, name: str) -> tuple[Table, ImportMapping]:
        """Return the rows, and the mapping that is named or that fits the columns."""
        if "mapping" in given:
            mapping = self._mapping(given["mapping"])
            said = {n: getattr(mapping, n) for n in ("encoding", "delimiter") if getattr(mapping, n)}
            table = open_table(stream, name, replace(detect(stream, name), **said))
        else:
            table = open_table(stream, name)
            mapping = suggest(entity, table.header, given.get("key", ""))
        if mapping.entity != entity.name:
            raise Invalid("This mapping is about another entity.")
        faults = [i for i in check_mapping(mapping, self._kernel.model, table.header) if i.severity == "error"]
        if faults:
            raise Invalid("The mapping does not fit the file", faults)
        return table, mapping

    def _mapping(self, name: str) -> ImportMapping:
        path = self._mappings / f"{name}.yaml"
        if not re.fullmatch(r"[a-z0-9_]{1,60}", name) or not path.is_file():
            raise Invalid(issues=[Issue("mapping", "unknown_mapping", "There is no such mapping in mappings/.")])
        return load_mapping(_text(path), f"mappings/{name}.yaml")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise Invalid(issues=[Issue("mapping", "unreadable", "This mapping cannot be read.")]) from None


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
