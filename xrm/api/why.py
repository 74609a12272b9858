"""Why may somebody do something, or why not, and what would new roles change? For those who look after rights."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import get, post

from xrm.api.files import site_sources
from xrm.builtin.decisions.decision import Question
from xrm.builtin.decisions.person import find_person
from xrm.builtin.decisions.what_if import what_if
from xrm.builtin.decisions.why import CAPABILITY, why
from xrm.errors import Issue, Malformed, NotFound
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take
from xrm.site import Site

ASKED = frozenset({"actor", "action", "entity", "id", "field"})
NEEDED = ("actor", "action", "entity")


class WhyRoutes:
    """The routes /api/why and /api/model/what-if."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._accounts, self._folder = site.kernel, site.accounts, site.settings.folder

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/api/why")(self.why), post("/api/model/what-if", status_code=200)(self.what_if)]

    async def why(self, request: AnyRequest) -> Answer:
        """Answer with what the policy decides about somebody, and why."""
        asker = signed_in(request)
        self._kernel.live.policy.authorise(asker, CAPABILITY)
        given = read_query(request, ASKED)
        missing = [name for name in NEEDED if not given.get(name)]
        if missing:
            raise Malformed(issues=[Issue(name, "required", f"Say of which {name}.") for name in missing])
        question = _question(given)
        person = await find_person(self._kernel, self._accounts, asker, given["actor"])
        return answer((await why(self._kernel, asker, person, question)).to_dict())

    async def what_if(self, request: AnyRequest) -> Answer:
        """Answer with who would gain and lose what by the roles and restrictions of definitions that are sent."""
        asker = signed_in(request)
        read_query(request)
        self._kernel.live.policy.authorise(asker, "*")  # who may not change roles needs no outlook on them
        sent = take(await read_object(request), files=(dict[str, str], {}))
        sources = self._kernel.sources(site_sources(self._folder, sent["files"]))
        proposed = await asyncio.to_thread(self._kernel.read_model, sources)
        return answer((await what_if(self._kernel, self._accounts, asker, proposed)).to_dict())


def _question(given: Mapping[str, str]) -> Question:
    try:
        id = UUID(given["id"]) if given.get("id") else None
    except ValueError:
        raise NotFound("There is no record with this id.") from None
    return Question(given["action"], given["entity"], id, given.get("field", ""))
