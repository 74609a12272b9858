"""Many records in one request: all or none (atomic), or each for itself with a verdict per row (partial)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from litestar import post

from xrm.api.once import Writes
from xrm.errors import Invalid, Issue, Malformed, NotFound, PreconditionNeeded, StorageFull, Unavailable, XrmError
from xrm.http.answers import Answer, answer
from xrm.http.caller import signed_in
from xrm.http.reading import AnyRequest, read_object, read_query, take
from xrm.kernel.acts import Act
from xrm.kernel.change import Actor
from xrm.kernel.fieldtypes.pointers import MAX_KEY
from xrm.site import Site

MAX_ROWS = 1000
ROWS = list[dict[str, Any]]
KINDS = ("create", "upsert", "update", "delete")  # in the order they are done

Verdicts = dict[str, list[dict[str, Any]]]
Write = Callable[[], Awaitable[dict[str, Any]]]


class BulkRoutes:
    """The route /api/{entity}/bulk."""

    def __init__(self, site: Site, writes: Writes) -> None:
        self._records = site.kernel.records
        self._writes = writes

    def handlers(self) -> list[Any]:
        """Return the Litestar handlers."""
        return [post("/api/{entity:str}/bulk")(self.bulk)]

    async def bulk(self, request: AnyRequest) -> Answer:
        """Create, change and delete records; a row that is changed or deleted names its id and version."""
        actor, entity = signed_in(request), request.path_params["entity"]
        read_query(request)
        body = take(await read_object(request), mode=(str, "atomic"), **{kind: (ROWS, []) for kind in KINDS})
        if body["mode"] not in ("atomic", "partial"):
            raise Malformed(issues=[Issue("mode", "unknown_value", "It is atomic or partial.")])
        count = sum(len(body[kind]) for kind in KINDS)
        if not 1 <= count <= MAX_ROWS:
            raise Malformed(f"A request takes 1 to {MAX_ROWS} rows; this one has {count}.")

        async def work(act: Act) -> Answer:
            verdicts: Verdicts = {}
            for kind in KINDS:
                if not body[kind] and kind == "upsert":
                    continue
                verdicts[kind] = await self._verdicts(actor, entity, kind, body[kind])
            if body["mode"] == "atomic":
                _all_or_none(verdicts)
            return answer(verdicts)

        return await self._writes.once(request, actor, work)

    async def _verdicts(self, actor: Actor, entity: str, kind: str, rows: ROWS) -> list[dict[str, Any]]:
        if kind == "create" and len(rows) > 1 and (done := await self._together(actor, entity, rows)):
            return done
        return [await self._verdict(actor, write) for write in self._each(actor, entity, kind, rows)]

    async def _together(self, actor: Actor, entity: str, rows: ROWS) -> list[dict[str, Any]] | None:
        """Create all rows as one set; None when one is refused: then each is done for itself, to say which and why."""
        try:
            async with self._records.attempt(actor):
                ids = await self._records.create_many(actor, entity, rows)
        except (Unavailable, StorageFull):
            raise
        except XrmError:
            return None
        return [_created(id) for id in ids]

    async def _verdict(self, actor: Actor, write: Write) -> dict[str, Any]:
        """Do one row and say what became of it."""
        try:
            async with self._records.attempt(actor):
                return await write()
        except (Unavailable, StorageFull):
            raise
        except XrmError as error:
            return {
                "status": error.status,
                "code": error.code,
                "detail": error.message,
                "issues": [issue.to_dict() for issue in error.issues],
                **({"conflicts": error.details["conflicts"]} if "conflicts" in error.details else {}),
            }

    def _each(self, actor: Actor, entity: str, kind: str, rows: ROWS) -> list[Write]:
        doing = {"create": self._create, "upsert": self._upsert, "update": self._update, "delete": self._delete}[kind]
        return [lambda row=row: doing(actor, entity, row) for row in rows]  # type: ignore[misc]  # bound per row

    async def _create(self, actor: Actor, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        (id,) = await self._records.create_many(actor, entity, [row])
        return _created(id)

    async def _upsert(self, actor: Actor, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        key = row.get("by")
        if not isinstance(key, dict) or not 1 <= len(key) <= MAX_KEY:
            issue = Issue("by", "not_a_key", 'A row to create or change has the values of a unique key in "by".')
            raise Invalid(issues=[issue])
        values = {name: value for name, value in row.items() if name != "by"}
        id = await self._records.find_by(actor, entity, key)
        if id is None:
            return await self._create(actor, entity, {**values, **key})
        updated = await self._records.update(actor, entity, id, values)
        return {"status": 200, "id": str(id), "version": updated["version"]}

    async def _update(self, actor: Actor, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        id, version, values = _named(row)
        if version is None:
            updated = await self._records.update(actor, entity, id, values)
        else:
            updated = await self._records.merge_update(actor, entity, id, values, version)
        return {"status": 200, "id": str(id), "version": updated["version"]}

    async def _delete(self, actor: Actor, entity: str, row: dict[str, Any]) -> dict[str, Any]:
        id, version, values = _named(row)
        if values:
            raise Malformed("A row to delete has an id and a version only.")
        await self._records.delete(actor, entity, id, version)
        return {"status": 204, "id": str(id)}


def _created(id: UUID) -> dict[str, Any]:
    return {"status": 201, "id": str(id), "version": 1}


def _named(row: dict[str, Any]) -> tuple[UUID, int | None, dict[str, Any]]:
    """Return which record a row is about, the version it must have (None with ``"*"``), and its values."""
    id, version = row.get("id"), row.get("version")
    try:
        found = UUID(id) if isinstance(id, str) and len(id) == 36 else None
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no record with this id.")
    if version != "*" and (not isinstance(version, int) or isinstance(version, bool)):
        raise PreconditionNeeded('Each row names the version it is based on (or "*").')
    values = {name: value for name, value in row.items() if name not in ("id", "version")}
    return found, None if version == "*" else version, values


def _all_or_none(verdicts: Verdicts) -> None:
    """Refuse everything when one row was refused, saying what is wrong with which."""
    issues: list[Issue] = []
    for kind, rows in verdicts.items():
        for number, row in enumerate(rows):
            if row["status"] >= 400:
                known = [Issue(**issue) for issue in row["issues"]] or [Issue("", row["code"], row["detail"])]
                issues.extend(replace(i, path=f"{kind}.{number}.{i.path}".rstrip(".")) for i in known)
    if issues:
        raise Invalid("Nothing was written: some rows are refused", issues)
