"""One change for all records a filter finds: first looked at, then done in one act, which can be taken back as one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from litestar import post

from xrm.api.once import Writes
from xrm.errors import Conflict, Invalid, Issue, Malformed, StorageFull, Unavailable, XrmError
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor
from xrm.kernel.query import Query
from xrm.site import Site

MOST = 1000  # records one request changes
SAMPLES = 10  # records that are shown before and after
REFUSED = 100  # refused records that are told


class _Rehearsed(Exception):
    """Ends a look ahead: all it wrote is taken back."""


@dataclass(slots=True)
class Edit:
    """What became of an edit: how many records were found and changed, some of them, and those that were refused."""

    found: int = 0
    changed: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"found": self.found, "changed": self.changed, "samples": self.samples, "refused": self.refused}


class EditRoutes:
    """The route /api/{entity}/edit."""

    def __init__(self, site: Site, writes: Writes) -> None:
        self._records, self._writes = site.kernel.records, writes

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [post("/api/{entity:str}/edit")(self.edit)]

    async def edit(self, request: AnyRequest) -> Answer:
        """Give all records that a filter finds the same values; with `dry_run`, answer with what that would do."""
        actor, entity = signed_in(request), request.path_params["entity"]
        read_query(request)
        body = take(
            await read_object(request),
            filter=str,
            set=dict[str, Any],
            mode=(str, "atomic"),
            expected=(int, -1),
            dry_run=(bool, False),
        )
        _check(body)
        if body["dry_run"]:
            return answer({**(await self._rehearse(actor, entity, body)).to_dict(), "dry_run": True})

        async def work(_: Act) -> Answer:
            done = await self._done(actor, entity, body)
            if done.refused and body["mode"] == "atomic":
                issues = [
                    Issue(f"{row['id']}.{i['path']}".rstrip("."), i["code"], i["message"])
                    for row in done.refused
                    for i in row["issues"]
                ]
                raise Invalid("Nothing was written: some records are refused", issues)
            return answer(done.to_dict())

        return await self._writes.once(request, actor, work)

    async def _rehearse(self, actor: Actor, entity: str, body: dict[str, Any]) -> Edit:
        found = Edit()
        with contextlib.suppress(_Rehearsed):
            async with self._records.attempt(actor):
                found = await self._done(actor, entity, body)
                raise _Rehearsed
        return found

    async def _done(self, actor: Actor, entity: str, body: dict[str, Any]) -> Edit:
        names = tuple(body["set"])
        page = await self._records.list(actor, entity, Query(body["filter"], fields=("label",), limit=MOST))
        if page.next:
            raise Invalid(issues=[Issue("filter", "too_many", f"It finds more than {MOST:,} records: narrow it.")])
        if body["expected"] not in (-1, len(page.records)):
            raise Conflict(f"The filter finds {len(page.records)} records now, not {body['expected']}.")
        done = Edit(found=len(page.records))
        for record in page.records:
            await self._one(actor, entity, record, body["set"], names, done)
        return done

    async def _one(
        self,
        actor: Actor,
        entity: str,
        record: dict[str, Any],
        values: dict[str, Any],
        names: tuple[str, ...],
        done: Edit,
    ) -> None:
        id = UUID(record["id"])
        told = len(done.samples) < SAMPLES
        try:
            async with self._records.attempt(actor):
                before = await self._records.get(actor, entity, id, names) if told else {}
                after = await self._records.update(actor, entity, id, values)
        except (Unavailable, StorageFull):
            raise
        except XrmError as error:
            if len(done.refused) < REFUSED:
                issues = error.issues or (Issue("", error.code, error.message),)
                done.refused.append({**_named(record), "issues": [issue.to_dict() for issue in issues]})
            return
        if after["version"] == record["version"]:
            return
        done.changed += 1
        if told:
            fields = {name: {"from": before[name], "to": after[name]} for name in names if name in before}
            done.samples.append({**_named(record), "fields": fields})


def _named(record: dict[str, Any]) -> dict[str, Any]:
    return {"id": record["id"], "label": record["label"]}


def _check(body: dict[str, Any]) -> None:
    if not body["filter"].strip():
        issue = Issue("filter", "required", 'Say which records; "true" means all of them.')
        raise Malformed(issues=[issue])
    if not body["set"]:
        raise Malformed(issues=[Issue("set", "required", "Say which values they get.")])
    if body["mode"] not in ("atomic", "partial"):
        raise Malformed(issues=[Issue("mode", "unknown_value", "It is atomic or partial.")])
