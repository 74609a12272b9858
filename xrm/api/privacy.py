"""What is kept of people: the record of processing, reports for them, erasure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from litestar import get, post

from xrm.builtin.privacy.erasure import erase_person, preview
from xrm.builtin.privacy.processing import processing
from xrm.builtin.privacy.report import report
from xrm.builtin.privacy.subjects import REPORT
from xrm.http.answers import Answer, Stream, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_optional_object, read_query, record_id, take
from xrm.site import Site

PIECE = 256 * 1024  # bytes sent at once


class PrivacyRoutes:
    """The routes below /api/privacy."""

    def __init__(self, site: Site) -> None:
        self._kernel = site.kernel

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/privacy/processing")(self.processing),
            get("/api/privacy/{entity:str}/{id:str}/erasure")(self.preview),
            post("/api/privacy/{entity:str}/{id:str}/erasure")(self.erase),
            get("/api/privacy/{entity:str}/{id:str}/report")(self.report),
        ]

    async def processing(self, request: AnyRequest) -> Answer:
        """Answer with the record of processing activities."""
        actor = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(actor, REPORT)
        return answer({"processing": [one.to_dict() for one in processing(self._kernel)]})

    async def preview(self, request: AnyRequest) -> Answer:
        """Answer with what erasing a person would do, and what stands against it."""
        actor = signed_in(request)
        read_query(request)
        found = await preview(self._kernel, actor, request.path_params["entity"], record_id(request))
        return answer(found.to_dict())

    async def erase(self, request: AnyRequest) -> Answer:
        """Erase a person, and answer with the certificate."""
        actor = signed_in(request)
        read_query(request)
        said = take(await read_optional_object(request), reason=(str, ""))
        entity = request.path_params["entity"]
        return answer(await erase_person(self._kernel, actor, entity, record_id(request), said["reason"]))

    async def report(self, request: AnyRequest) -> Stream:
        """Answer with a ZIP file of everything that is kept of a person."""
        actor, entity = signed_in(request), request.path_params["entity"]
        read_query(request)
        path = await report(self._kernel, actor, entity, record_id(request))
        file = await asyncio.to_thread(_taken, path)
        headers = {"content-disposition": f'attachment; filename="{entity}.zip"', "cache-control": "no-store"}
        return Stream(_pieces(file), b"application/zip", headers)


def _taken(path: Path) -> BinaryIO:
    """Open a file and take its name away: it is gone when it was sent, or when the client went away."""
    file = path.open("rb")
    path.unlink()
    return file


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
