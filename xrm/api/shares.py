"""The shares of a record over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post

from xrm.api.once import Writes
from xrm.builtin.sharing.door import Shares
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, record_id
from xrm.kernel.acts import Act
from xrm.site import Site


class ShareRoutes:
    """The routes below /api/{entity}/{id}/shares."""

    def __init__(self, site: Site, writes: Writes) -> None:
        self._shares, self._writes = Shares(site.kernel), writes

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/{entity:str}/{id:str}/shares")(self.list),
            post("/api/{entity:str}/{id:str}/shares")(self.give),
            delete("/api/{entity:str}/{id:str}/shares/{share:str}", status_code=200)(self.take_back),
        ]

    async def list(self, request: AnyRequest) -> Answer:
        """Answer with the shares of a record."""
        actor = signed_in(request)
        read_query(request)
        found = await self._shares.list(actor, request.path_params["entity"], record_id(request))
        return answer({"shares": list(found)})

    async def give(self, request: AnyRequest) -> Answer:
        """Share a record."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)
        sent = await read_object(request)

        async def work(act: Act) -> Answer:
            made = await self._shares.give(actor, entity, id, sent)
            return answer(made, 201, {"location": f"/api/{entity}/{id}/shares/{made['id']}"})

        return await self._writes.once(request, actor, work)

    async def take_back(self, request: AnyRequest) -> Answer:
        """End a share."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)

        async def work(act: Act) -> Answer:
            await self._shares.take_back(actor, entity, id, record_id(request, "share"))
            return Answer(status=204)

        return await self._writes.once(request, actor, work)
