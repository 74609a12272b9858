"""The paths and schemas of one entity, as far as the actor may use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xrm.api.describe import readable
from xrm.api.openapi import values
from xrm.api.openapi.parts import (
    NOTHING,
    TEXT,
    UUID,
    Json,
    body,
    json_answer,
    many,
    obj,
    operation,
    or_null,
    path_parameter,
    query_parameter,
    ref,
)
from xrm.api.openapi.shares import share_paths
from xrm.builtin.transfer.exporting import FORMATS
from xrm.builtin.transfer.layout import MEDIA
from xrm.kernel.buttons import Press
from xrm.kernel.change import Actor
from xrm.kernel.files.attaching import file_fields
from xrm.kernel.live import Live
from xrm.kernel.policy import SHARE, Access
from xrm.metadata.model import Entity, Field, Key

EXPAND_FORM = "Paths of relations, or {name: {fields, expand, filter, sort, limit}}; the last three are of lists."
WRITE = ("idempotency_key", "change_reason")


@dataclass(frozen=True, slots=True)
class Part:
    """What one entity adds to the document."""

    paths: Json
    schemas: Json


def make_part(live: Live, actor: Actor, entity: Entity) -> Part:
    """Return what an entity that the actor may read adds to the document."""
    return _Maker(live, actor, entity).part()


class _Maker:
    def __init__(self, live: Live, actor: Actor, entity: Entity) -> None:
        self._live, self._actor, self._entity = live, actor, entity
        self._name, self._title, self._tag = entity.name, entity.title.lower(), entity.plural
        self._schemas: Json = {self._name: values.record(entity, readable(live, actor, entity))}

    def part(self) -> Part:
        base = f"/api/{self._name}"
        paths: Json = {
            base: {"get": self._list()},
            f"{base}/query": {"post": self._query()},
            f"{base}/aggregate": {"get": self._aggregate()},
            f"{base}/{{id}}": {"get": self._get()},
            f"{base}/{{id}}/history": {"get": self._history()},
            f"{base}/{{id}}/blame": {"get": self._blame()},
            f"{base}/{{id}}/fields/{{field}}/history": {"get": self._field_history()},
        }
        creating, updating = self._access("create"), self._access("update")
        if creating:
            paths[base]["post"] = self._create(creating)
            paths[f"{base}/{{id}}/clone"] = {"post": self._clone()}
        if updating:
            paths[f"{base}/{{id}}"]["patch"] = self._update(updating)
            paths[f"{base}/edit"] = {"post": self._edit()}
        if self._access("delete"):
            paths[f"{base}/{{id}}"]["delete"] = self._delete()
            paths[f"{base}/{{id}}/delete-preview"] = {"get": self._delete_preview()}
        if self._access("restore"):
            paths[f"{base}/{{id}}/restore"] = {"post": self._restore()}
        if creating and updating:
            paths[f"{base}/bulk"] = {"post": self._bulk()}
            paths |= {f"{base}/by/{f.name}/{{value}}": {"put": self._upsert(f)} for f in self._unique()}
            if keys := self._together():
                paths[f"{base}/by"] = {"put": self._upsert_by(keys)}
        for field in self._files():
            at = f"{base}/{{id}}/files/{field.name}"
            paths[at] = {"get": self._file(field)}
            if field.type == "image":
                paths[f"{at}/thumbnail"] = {"get": self._thumbnail(field)}
        if self._access("export"):
            paths[f"{base}/export"] = {"get": self._export()}
        if self._access("import"):
            paths[f"{base}/import"] = {"post": self._import()}
        paths |= self._sharing(base)
        for name, title, fields, required in self._actions():
            paths[f"{base}/{{id}}/actions/{name}"] = {"post": self._act(name, title, fields, required)}
        return Part(paths, self._schemas)

    # --- parts ---

    def _sharing(self, base: str) -> Json:
        known = self._access("share") and SHARE in self._live.model.entities
        return share_paths(base, self._name, self._title, self._tag) if known else {}

    def _access(self, action: str) -> Access | None:
        return self._live.policy.access(self._actor, self._name, action)

    def _operation(self, verb: str, summary: str, answers: Json, **more: Any) -> Json:
        return operation(f"{verb}_{self._name}", summary, self._tag, answers, **more)

    def _record(self, description: str = "The record.") -> Json:
        return json_answer(description, ref(self._name), tagged=True)

    def _writable(self, access: Access) -> list[Field]:
        names = access.writable()
        return [f for f in self._entity.fields.values() if f.name in names and f.writable and not f.removed]

    def _unique(self) -> list[Field]:
        known = readable(self._live, self._actor, self._entity)
        fields = (f for f in self._entity.fields.values() if f.name in known and not f.system)
        return [f for f in fields if f.type != "auto_number" and self._entity.key((f.name,)) is not None]

    def _actions(self) -> list[tuple[str, str, Sequence[Field], Sequence[str]]]:
        found: list[tuple[str, str, Sequence[Field], Sequence[str]]] = []
        updating, workflow = self._access("update"), self._entity.workflow
        if workflow is not None and updating:
            fields = self._writable(updating)
            for move in workflow.transitions:
                if not move.roles or self._actor.roles.intersection(move.roles):
                    found.append((move.name, move.title, fields, ()))
        for action in self._live.entities[self._name].actions.values():
            if self._access(f"run:{action.name}") is None:
                continue
            if not (isinstance(action, Press) and action.move is not None):
                found.append((action.name, action.title, action.fields, sorted(action.needed)))
            elif updating:  # a button that makes a transition
                found.append((action.name, action.title, self._writable(updating), ()))
        return found

    # --- reading ---

    def _page(self) -> Json:
        page = obj(
            {
                "records": many(ref(self._name)),
                "next": or_null(TEXT),
                "count": obj({"value": {"type": "integer"}, "exact": {"type": "boolean"}}, ("value", "exact")),
            },
            ("records", "next"),
        )
        return {"200": json_answer("One page.", page)}

    def _list(self) -> Json:
        paging = ("limit", "after", "offset", "count", "trash", "as_of")
        parameters = ("filter", "sort", "fields", "expand", "search", *paging)
        return self._operation("list", f"List {self._tag}", self._page(), parameters=parameters)

    def _query(self) -> Json:
        whole, any_object = {"type": "integer"}, {"type": "object"}
        several = {"oneOf": [TEXT, many(TEXT)]}
        sent = obj(
            {
                "filter": {"oneOf": [TEXT, any_object], "description": "An expression, or its JSON form."},
                "sort": several,
                "fields": several,
                "expand": {"oneOf": [TEXT, many(TEXT), any_object], "description": EXPAND_FORM},
                "search": TEXT,
                "limit": whole,
                "after": TEXT,
                "offset": whole,
                "count": {"type": "boolean"},
                "trash": {"type": "string", "enum": ["live", "deleted"]},
            }
        )
        return self._operation("query", f"List {self._tag} by a long query", self._page(), sends=body(sent))

    def _aggregate(self) -> Json:
        groups = obj({"groups": many({"type": "object"})}, ("groups",))
        order = query_parameter("sort", "Groups and values with commas between; - in front sorts downwards.", TEXT)
        limit = query_parameter("limit", "Groups at most.", {"type": "integer", "minimum": 1, "maximum": 1000})
        return self._operation(
            "aggregate",
            f"Add up {self._tag}",
            {"200": json_answer("One row per group.", groups)},
            parameters=("group", "values", "filter", "search", "having", order, limit, "as_of"),
        )

    def _get(self) -> Json:
        answers = {"200": self._record(), "304": {"description": "It is still the version you have."}}
        return self._operation(
            "get", f"Get one {self._title}", answers, parameters=("id", "fields", "expand", "if_none_match", "as_of")
        )

    def _history(self) -> Json:
        changes = obj({"changes": many(ref("Change"))}, ("changes",))
        answers = {"200": json_answer("Its changes, newest first.", changes)}
        return self._operation("history_of", f"What happened to one {self._title}", answers, parameters=("id",))

    def _blame(self) -> Json:
        fields = obj({"fields": {"type": "object", "additionalProperties": {"type": "object"}}}, ("fields",))
        answers = {"200": json_answer("Per field, what put its present value there.", fields)}
        summary = f"Who or what put the values of one {self._title} there"
        return self._operation("blame", summary, answers, parameters=("id",))

    def _field_history(self) -> Json:
        found = obj({"values": many({"type": "object"})}, ("values",))
        answers = {"200": json_answer("Its values, the present one first.", found)}
        name = path_parameter("field", TEXT, "A field.")
        summary = f"What one field of one {self._title} held"
        return self._operation("field_history", summary, answers, parameters=("id", name))

    def _delete_preview(self) -> Json:
        rule = {"type": "string", "enum": ["restrict", "clear", "cascade"]}
        sample = obj({"id": UUID, "label": TEXT})
        effect = obj(
            {
                "entity": TEXT,
                "field": TEXT,
                "rule": rule,
                "title": TEXT,
                "count": {"type": "integer"},
                "more": {"type": "boolean", "description": "Whether there are further records, which you may not see."},
                "samples": many(sample),
            },
            ("rule", "title", "count", "more", "samples"),
        )
        flag = {"type": "boolean"}
        found = obj({"possible": flag, "complete": flag, "effects": many(effect)}, ("possible", "complete", "effects"))
        answers = {"200": json_answer("What goes with it, is cleared, or holds it.", found)}
        return self._operation("delete_preview", f"What deleting one {self._title} does", answers, parameters=("id",))

    # --- writing ---

    def _create(self, access: Access) -> Json:
        fields = self._writable(access)
        needed = [f.name for f in fields if f.required and f.default is None]
        name = f"{self._name}.create"
        self._schemas[name] = values.sent(fields, needed)
        made = self._record("It was created.")
        made["headers"]["Location"] = {"description": "Its address.", "schema": TEXT}
        answers = {"201": made}
        return self._operation("create", f"Create one {self._title}", answers, parameters=WRITE, sends=body(ref(name)))

    def _clone(self) -> Json:
        summary = f"Create a {self._title} with the values of another, those that are sent instead of its own"
        answers = {"201": self._record("It was created.")}
        sends = body(ref(f"{self._name}.create"), required=False)
        return self._operation("clone", summary, answers, parameters=("id", *WRITE), sends=sends)

    def _update(self, access: Access) -> Json:
        name = f"{self._name}.update"
        self._schemas[name] = values.sent(self._writable(access), ())
        return self._operation(
            "update",
            f"Change one {self._title}",
            {"200": self._record()},
            parameters=("id", "if_match", *WRITE),
            sends=body(ref(name)),
        )

    def _delete(self) -> Json:
        summary = f"Put one {self._title} into the trash"
        return self._operation("delete", summary, {"204": NOTHING}, parameters=("id", "if_match", *WRITE))

    def _restore(self) -> Json:
        summary = f"Take one {self._title} out of the trash"
        return self._operation("restore", summary, {"200": self._record()}, parameters=("id", *WRITE))

    def _upsert(self, field: Field) -> Json:
        value = path_parameter("value", TEXT, f"The {field.title} that names the record.")
        return self._operation(
            f"put_by_{field.name}",
            f"Change the {self._title} with this {field.title}, or create it",
            {"200": self._record(), "201": self._record("It was created.")},
            parameters=(value, "if_match_optional", *WRITE),
            sends=body(ref(f"{self._name}.update")),
        )

    def _together(self) -> list[Key]:
        """Return the keys of several fields, all of which the actor may read."""
        known = readable(self._live, self._actor, self._entity)
        return [key for key in self._entity.keys if len(key.fields) > 1 and known.issuperset(key.fields)]

    def _upsert_by(self, keys: list[Key]) -> Json:
        names = dict.fromkeys(name for key in keys for name in key.fields)
        told = "; ".join(" and ".join(key.fields) for key in keys)
        parameters = [query_parameter(name, f"Part of a key: {told}", TEXT) for name in names]
        return self._operation(
            "put_by",
            f"Change the {self._title} with these values of a key of several fields, or create it",
            {"200": self._record(), "201": self._record("It was created.")},
            parameters=(*parameters, "if_match_optional", *WRITE),
            sends=body(ref(f"{self._name}.update")),
        )

    def _bulk(self) -> Json:
        rows = many({"type": "object"})
        verdicts = many(ref("Verdict"))
        mode = {"type": "string", "enum": ["atomic", "partial"], "default": "atomic"}
        sends = obj(
            {
                "mode": mode,
                "create": many(ref(f"{self._name}.create")),
                "upsert": {**rows, "description": 'Each with a unique key in "by".'},
                "update": rows,
                "delete": rows,
            },
            closed=True,
        )
        answers = {
            "200": json_answer(
                "A verdict per row.",
                obj(
                    {
                        "create": verdicts,
                        "upsert": verdicts,
                        "update": verdicts,
                        "delete": verdicts,
                    }
                ),
            )
        }
        return self._operation("bulk", f"Write many {self._tag}", answers, parameters=WRITE, sends=body(sends))

    def _edit(self) -> Json:
        mode = {"type": "string", "enum": ["atomic", "partial"], "default": "atomic"}
        expected = {"type": "integer", "description": "How many records the filter must find."}
        told = {"filter": TEXT, "set": ref(f"{self._name}.update"), "mode": mode, "expected": expected}
        sends = obj({**told, "dry_run": {"type": "boolean"}}, ("filter", "set"), closed=True)
        number, rows = {"type": "integer"}, many({"type": "object"})
        done = obj({"found": number, "changed": number, "samples": rows, "refused": rows}, ("found", "changed"))
        answers = {"200": json_answer("How many, some of them, and those refused.", done)}
        return self._operation(
            "edit", f"Change all {self._tag} a filter finds", answers, parameters=WRITE, sends=body(sends)
        )

    def _files(self) -> list[Field]:
        known = readable(self._live, self._actor, self._entity)
        return [field for name, field in file_fields(self._entity).items() if name in known]

    def _file(self, field: Field) -> Json:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        answers = {"200": {"description": "The file, as an attachment.", "content": content}}
        return self._operation(f"fetch_{field.name}_of", f"{field.title}: the file", answers, parameters=("id",))

    def _thumbnail(self, field: Field) -> Json:
        content = {"image/webp": {"schema": {"type": "string", "format": "binary"}}}
        answers = {"200": {"description": "The picture, small.", "content": content}}
        return self._operation(f"thumbnail_{field.name}_of", f"{field.title}: thumbnail", answers, parameters=("id",))

    def _export(self) -> Json:
        kind = {"type": "string", "enum": list(FORMATS), "default": "csv"}
        file = {
            "description": "A file.",
            "content": {f.media.partition(";")[0]: {"schema": TEXT} for f in FORMATS.values()},
        }
        parameters = (query_parameter("format", "What kind of file.", kind), "filter", "sort", "fields", "search")
        return self._operation("export", f"Export {self._tag}", {"200": file}, parameters=parameters)

    def _import(self) -> Json:
        rehearse = query_parameter("rehearse", "Whether to say only what would happen.", {"type": "boolean"})
        parameters = (
            query_parameter("mapping", "Name of a file in mappings/; without it columns go by their names.", TEXT),
            query_parameter("key", "The field by which records are found.", TEXT),
            rehearse,
        )
        media = tuple(MEDIA)
        counts = {name: {"type": "integer"} for name in ("read", "created", "updated", "unchanged", "refused")}
        report = obj(
            {**counts, "problems": many({"type": "object"}), "key": many(TEXT), "ignored": many(TEXT)}, ("read",)
        )
        answers = {"200": json_answer("What became of each row.", report)}
        sends = {"required": True, "content": {name: {"schema": {}} for name in media}}
        return self._operation("import", f"Import {self._tag}", answers, parameters=parameters, sends=sends)

    def _act(self, name: str, title: str, fields: Sequence[Field], required: Sequence[str]) -> Json:
        return self._operation(
            f"{name}",
            f"{title} one {self._title}",
            {"200": self._record()},
            parameters=("id", "if_match_optional", *WRITE),
            sends=body(values.sent(fields, required), required=bool(required)),
        )
