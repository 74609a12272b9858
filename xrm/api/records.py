"""Records over HTTP: generic routes over the generation in force (DESIGN §11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from litestar import delete, get, patch, post, put

from xrm.api.asking import LIST, expand_of_paths, read_list, read_list_body, read_moment
from xrm.api.once import Writes
from xrm.errors import Conflict, Invalid, Issue, Malformed, Precondition
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import (
    AnyRequest,
    etag,
    expected_versions,
    flag,
    read_object,
    read_optional_object,
    read_query,
    record_id,
    unchanged,
    whole,
    words,
)
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor
from xrm.kernel.fieldtypes.pointers import MAX_KEY
from xrm.kernel.query import Query
from xrm.kernel.totals import Totals
from xrm.site import Site

AS_OF = frozenset({"as_of"})
ONE = frozenset({"fields", "expand"}) | AS_OF
TOTALS = frozenset({"group", "values", "filter", "search", "limit", "having", "sort"}) | AS_OF
MAX_GROUPS = 1000


class RecordRoutes:
    """The routes below /api/{entity}."""

    def __init__(self, site: Site, writes: Writes) -> None:
        self._kernel = site.kernel
        self._records = site.kernel.records
        self._writes = writes

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [
            get("/api/{entity:str}")(self.list),
            post("/api/{entity:str}")(self.create),
            post("/api/{entity:str}/query", status_code=200)(self.query),
            get("/api/{entity:str}/aggregate")(self.aggregate),
            get("/api/{entity:str}/{id:str}")(self.get),
            patch("/api/{entity:str}/{id:str}")(self.update),
            delete("/api/{entity:str}/{id:str}", status_code=200)(self.delete),
            post("/api/{entity:str}/{id:str}/restore")(self.restore),
            post("/api/{entity:str}/{id:str}/clone")(self.clone),
            post("/api/{entity:str}/{id:str}/actions/{action:str}")(self.act),
            get("/api/{entity:str}/{id:str}/history")(self.history),
            get("/api/{entity:str}/{id:str}/delete-preview")(self.delete_preview),
            put("/api/{entity:str}/by/{field:str}/{value:path}")(self.upsert),
            put("/api/{entity:str}/by")(self.upsert_by),
        ]

    # --- reading ---

    async def get(self, request: AnyRequest) -> Answer:
        """Answer with one record."""
        actor = signed_in(request)
        given = read_query(request, ONE)
        fields, expand = words(given, "fields"), expand_of_paths(words(given, "expand"))
        entity, id = request.path_params["entity"], record_id(request)
        if moment := read_moment(given):
            return answer(await self._records.get_as_of(moment, actor, entity, id, fields, expand))
        record = await self._records.get(actor, entity, id, fields, expand)
        tag = etag(record["version"])
        if unchanged(request, tag) and not expand and not self._linked(entity):
            return Answer(status=304, headers={"etag": tag})
        return answer(record, headers={"etag": tag})

    def _linked(self, entity: str) -> bool:
        """Whether records show links or computed values, which change without their version."""
        known = self._kernel.live.model.entity(entity)
        return known is not None and any(field.through or field.virtual for field in known.fields.values())

    async def list(self, request: AnyRequest) -> Answer:
        """Answer with one page of records."""
        actor, entity = signed_in(request), request.path_params["entity"]
        given = read_query(request, LIST | AS_OF)
        if moment := read_moment(given):
            return answer(await self._past_page(moment, actor, entity, read_list(given), count=flag(given, "count")))
        return answer(await self._page(actor, entity, read_list(given), count=flag(given, "count")))

    async def query(self, request: AnyRequest) -> Answer:
        """Answer with one page of records as the JSON body asks: for queries too long for an address."""
        actor = signed_in(request)
        read_query(request)
        query, count = read_list_body(await read_object(request))
        return answer(await self._page(actor, request.path_params["entity"], query, count=count))

    async def _page(self, actor: Actor, entity: str, query: Query, *, count: bool) -> dict[str, Any]:
        page = await self._records.list(actor, entity, query)
        found: dict[str, Any] = {"records": page.records, "next": page.next}
        if count:
            counted = await self._records.count(actor, entity, query)
            found["count"] = {"value": counted.value, "exact": counted.exact}
        return found

    async def _past_page(
        self, moment: datetime, actor: Actor, entity: str, query: Query, *, count: bool
    ) -> dict[str, Any]:
        page = await self._records.list_as_of(moment, actor, entity, query)
        found: dict[str, Any] = {"records": page.records, "next": page.next}
        if count:
            counted = await self._records.count_as_of(moment, actor, entity, query)
            found["count"] = {"value": counted.value, "exact": counted.exact}
        return found

    async def aggregate(self, request: AnyRequest) -> Answer:
        """Answer with totals per group."""
        actor = signed_in(request)
        given = read_query(request, TOTALS)
        limit = whole(given, "limit", MAX_GROUPS)
        if not 1 <= limit <= MAX_GROUPS:
            raise Malformed(issues=[Issue("limit", "out_of_range", f"It is from 1 to {MAX_GROUPS}.")])
        group, values = words(given, "group"), words(given, "values") or ("count",)
        if len(group) > 5 or len(values) > 20:
            raise Malformed("At most 5 groups and 20 values can be asked for.")
        totals = Totals(
            group,
            values,
            given.get("filter", ""),
            given.get("search", ""),
            limit,
            given.get("having", ""),
            words(given, "sort"),
        )
        entity = request.path_params["entity"]
        if moment := read_moment(given):
            return answer({"groups": await self._records.aggregate_as_of(moment, actor, entity, totals)})
        return answer({"groups": await self._records.aggregate(actor, entity, totals)})

    async def history(self, request: AnyRequest) -> Answer:
        """Answer with what happened to a record, newest first."""
        actor = signed_in(request)
        read_query(request)
        return answer(
            {"changes": await self._records.history(actor, request.path_params["entity"], record_id(request))}
        )

    async def delete_preview(self, request: AnyRequest) -> Answer:
        """Answer with what would go with a record, or holds it, if it were deleted."""
        actor = signed_in(request)
        read_query(request)
        entity, id = request.path_params["entity"], record_id(request)
        return answer(await self._records.consequences(actor, entity, id))

    # --- writing ---

    async def create(self, request: AnyRequest) -> Answer:
        """Create a record."""
        actor, entity = signed_in(request), request.path_params["entity"]
        read_query(request)
        values = await read_object(request)

        async def work(act: Act) -> Answer:
            return self._written(request, act, await self._records.create(actor, entity, values), 201)

        return await self._writes.once(request, actor, work)

    async def update(self, request: AnyRequest) -> Answer:
        """Change fields of a record."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)
        versions = expected_versions(request, needed=True)
        values = await read_object(request)

        async def work(act: Act) -> Answer:
            version = await self._based_on(actor, entity, id, versions)
            if version is None:
                return self._written(request, act, await self._records.update(actor, entity, id, values))
            return self._written(request, act, await self._records.merge_update(actor, entity, id, values, version))

        return await self._writes.once(request, actor, work)

    async def delete(self, request: AnyRequest) -> Answer:
        """Put a record into the trash."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)
        versions = expected_versions(request, needed=True)

        async def work(act: Act) -> Answer:
            await self._records.delete(actor, entity, id, await self._one_of(actor, entity, id, versions))
            return Answer(status=204)

        return await self._writes.once(request, actor, work)

    async def clone(self, request: AnyRequest) -> Answer:
        """Create a record with the values of another, those of the body instead of its own."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)
        values = await read_optional_object(request)

        async def work(act: Act) -> Answer:
            return self._written(request, act, await self._records.clone(actor, entity, id, values), 201)

        return await self._writes.once(request, actor, work)

    async def restore(self, request: AnyRequest) -> Answer:
        """Take a record out of the trash."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)

        async def work(act: Act) -> Answer:
            return self._written(request, act, await self._records.restore(actor, entity, id))

        return await self._writes.once(request, actor, work)

    async def act(self, request: AnyRequest) -> Answer:
        """Make a transition, or run a plugin's action."""
        actor, entity, id = signed_in(request), request.path_params["entity"], record_id(request)
        read_query(request)
        versions = expected_versions(request, needed=False)
        values = await read_optional_object(request)

        async def work(act: Act) -> Answer:
            version = await self._one_of(actor, entity, id, versions)
            name = request.path_params["action"]
            return self._written(request, act, await self._records.run(actor, entity, id, name, values, version))

        return await self._writes.once(request, actor, work)

    async def upsert(self, request: AnyRequest) -> Answer:
        """Change the record that a unique field names, or create it."""
        read_query(request)
        return await self._upsert(request, {request.path_params["field"]: _last_segment(request)})

    async def upsert_by(self, request: AnyRequest) -> Answer:
        """Change the record that a unique key of several fields names (`?customer=…&name=…`), or create it."""
        signed_in(request)  # before anything is said of what was sent
        pairs = list(request.query_params.multi_items())
        given = dict(pairs)
        if not given or len(given) < len(pairs) or len(given) > MAX_KEY:
            raise Malformed("Name the fields of a unique key, each once.", hint="like ?customer=…&name=…")
        return await self._upsert(request, given)

    async def _upsert(self, request: AnyRequest, key: Mapping[str, str]) -> Answer:
        actor, entity = signed_in(request), request.path_params["entity"]
        versions = expected_versions(request, needed=False)
        values = await read_object(request)
        for field, value in key.items():
            if str(values.get(field, value)) != value:
                raise Invalid(issues=[Issue(field, "differs", "The address and the body name different values.")])

        async def work(act: Act) -> Answer:
            id = await self._records.find_by(actor, entity, key)
            if id is None:
                try:
                    async with self._records.attempt(actor):
                        made = await self._records.create(actor, entity, {**values, **key})
                    return self._written(request, act, made, 201)
                except Conflict:
                    id = await self._records.find_by(actor, entity, key)
                    if id is None:
                        raise
            version = await self._one_of(actor, entity, id, versions)
            return self._written(request, act, await self._records.update(actor, entity, id, values, version))

        return await self._writes.once(request, actor, work)

    # --- parts ---

    async def _based_on(self, actor: Actor, entity: str, id: UUID, versions: tuple[int, ...]) -> int | None:
        """Return the version a change is based on: of several the one the record has, or else the newest."""
        if len(versions) < 2:
            return versions[0] if versions else None
        found: int = (await self._records.get(actor, entity, id, ("version",)))["version"]
        return found if found in versions else max(versions)

    async def _one_of(self, actor: Actor, entity: str, id: UUID, versions: tuple[int, ...]) -> int | None:
        """Return the version that must be the record's: the one that was named, or of several that which it has."""
        if len(versions) < 2:
            return versions[0] if versions else None
        found: int = (await self._records.get(actor, entity, id, ("version",)))["version"]
        if found not in versions:
            raise Precondition(version=found)
        return found

    def _written(self, request: AnyRequest, act: Act, record: dict[str, Any], status: int = 200) -> Answer:
        """Return the answer to a write: the record as it is now, with the warnings that came up."""
        headers = {"etag": etag(record["version"])}
        if status == 201:
            headers["location"] = f"/api/{request.path_params['entity']}/{record['id']}"
        warnings = [issue.to_dict() for change in act.changes.changes for issue in change.warnings]
        return answer({**record, "_warnings": warnings} if warnings else record, status, headers)


def _last_segment(request: AnyRequest) -> str:
    """Return the value in /api/{entity}/by/{field}/{value} as it was sent: an encoded slash is part of it."""
    raw: bytes = request.scope["raw_path"]
    try:
        value = unquote_to_bytes(raw.split(b"/", 5)[5]).decode("utf-8")
    except (IndexError, UnicodeDecodeError):
        raise Malformed("The value in the address cannot be read.") from None
    if not value or "\x00" in value:
        raise Malformed("The value in the address cannot be read.")
    return value
