"""Why may somebody do something, or why not? For those who look after the rights of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import get

from xrm.builtin.decisions.decision import Question
from xrm.builtin.decisions.person import find_person
from xrm.builtin.decisions.why import CAPABILITY, why
from xrm.errors import Issue, Malformed, NotFound
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_query
from xrm.site import Site

ASKED = frozenset({"actor", "action", "entity", "id", "field"})
NEEDED = ("actor", "action", "entity")


class WhyRoutes:
    """The route /api/why."""

    def __init__(self, site: Site) -> None:
        self._kernel, self._accounts = site.kernel, site.accounts

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [get("/api/why")(self.why)]

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


def _question(given: Mapping[str, str]) -> Question:
    try:
        id = UUID(given["id"]) if given.get("id") else None
    except ValueError:
        raise NotFound("There is no record with this id.") from None
    return Question(given["action"], given["entity"], id, given.get("field", ""))
