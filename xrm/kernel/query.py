"""Reading: filter, sort, page, expand labels, aggregate → one SQL statement, cached per roles and shape.

Values that differ from call to call (who asks, the page's cursor, the searched words) are `Var`s, so that the text of a
statement is made once per generation, set of roles and shape of query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from xrm.errors import Invalid, Issue
from xrm.kernel.change import Actor
from xrm.kernel.expression import Expression, ExpressionError, from_json, types
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.expression.tree import Compare, Join, Literal, Node
from xrm.kernel.expression.tree import Field as Named
from xrm.kernel.migration.word_index import full_text, lexemes
from xrm.kernel.paths import Path, resolve
from xrm.kernel.policy import Access, Rule, visibility
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.folding import fold
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder, Statement, Var, quote
from xrm.kernel.store.system import IN_FORCE
from xrm.kernel.values import TYPES, Part, columns, revealing
from xrm.kernel.values import parts as field_parts
from xrm.kernel.visible import ReadableScope, Visible, readable
from xrm.kernel.words import matching, sought_in
from xrm.metadata.model import Entity, Field

if TYPE_CHECKING:
    from xrm.kernel.live import Live

MAX_PAGE = 1000
MAX_COUNT = 10_000  # counting stops there: "10,000+"
MAX_RANKED = 400  # hits that are put in order of relevance, and as many in which a word is found whole
RELEVANCE = "relevance"
HIDDEN = frozenset({"search", "deleted_at", "deleted_by"})
RESTRICTED = {"_restricted": True}

TEXT = ColumnType("text")
INT = ColumnType("int")


@dataclass(frozen=True, slots=True)
class Expand:
    """A relation, or a list of records that point here, whose records are shown along.

    Attributes:
        name: Of the relation or list.
        fields: Field paths of those records; empty = every readable field.
        expand: What to show along with them.
        filter: Which records of a list, as in `Query`.
        sort: The order of a list, as in `Query`.
        limit: Records of a list, for each record that has one.
    """

    name: str
    fields: tuple[str, ...] = ()
    expand: tuple[Expand, ...] = ()
    filter: str = ""
    sort: tuple[str, ...] = ()
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Query:
    """What to list.

    Attributes:
        filter: An expression over the record, or its JSON form as a text, or empty.
        sort: Field paths, "-" in front for descending; the id is always the last key. Of a search also "relevance",
            its order if none is given.
        fields: Field paths to return; empty = every readable field.
        search: Words that must all be found in the entity's search fields: the beginnings of words, in any notation.
        limit: Records per page, 1 to 1000.
        after: The cursor a page before returned as `next`.
        offset: Records to skip (slower than `after`).
        trash: "live" records (default), or the "deleted" ones.
        action: "read" (default), or "export": only those of the readable rows which may also be exported.
        expand: Relations and lists whose records are shown along.
    """

    filter: str = ""
    sort: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    search: str = ""
    limit: int = 50
    after: str = ""
    offset: int = 0
    trash: str = "live"
    action: str = "read"
    expand: tuple[Expand, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many records a query finds; counting stops at `MAX_COUNT`."""

    value: int
    exact: bool


@dataclass(slots=True)
class Page:
    """One page of records, as the API sends them, and the cursor of the next."""

    records: list[dict[str, Any]]
    next: str | None = None


Plain = tuple[tuple[str, Callable[[Any], Any]], ...]  # names of cells, and how they are shown


@dataclass(frozen=True, slots=True)
class Slot:
    """One value of an answer: its name, where in the row it stands, and how it is shown."""

    name: str
    index: int
    show: Callable[[Any], Any] | None
    kind: str = "plain"  # plain | compound | relation | restricted | pointer
    label: int = 0  # index of the label
    parts: tuple[tuple[str, int, Callable[[Any], Any] | None], ...] = ()  # of a compound: JSON name, index, how shown
    needed: int = 0  # how many of the parts, from the first on, a compound is nothing without


@dataclass(frozen=True, slots=True)
class Key:
    """One sort key: its SQL is in the statement; its value in a row makes the cursor."""

    type: ColumnType
    index: int
    descending: bool
    nullable: bool


@dataclass(frozen=True)
class Selection:
    """A statement with what is needed to read its rows."""

    statement: Statement
    slots: tuple[Slot, ...]
    keys: tuple[Key, ...] = ()
    masks: tuple[tuple[int, tuple[str, ...]], ...] = ()  # index of "may read" → the fields it rules
    links: tuple[Field, ...] = ()  # relations to many, which are read by statements of their own

    @cached_property
    def _shown(self) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[str, ...], Plain, tuple[Slot, ...]]:
        """What `record` needs, made once: the cells to take, their names, how plain ones are shown, the other slots."""
        indexes = [slot.index for slot in self.slots]
        pick = itemgetter(*indexes) if len(indexes) > 1 else lambda row: (row[indexes[0]],)
        names = tuple(slot.name for slot in self.slots)
        plain = tuple((s.name, s.show) for s in self.slots if s.kind == "plain" and s.show is not None)
        return pick, names, plain, tuple(slot for slot in self.slots if slot.kind != "plain")

    def record(self, row: Any) -> dict[str, Any]:
        """Return a row as the JSON-ready record. The hottest loop of a list: most cells are only put into place."""
        pick, names, plain, others = self._shown
        shown = dict(zip(names, pick(row), strict=True))
        for name, show in plain:
            if (value := shown[name]) is not None:
                shown[name] = show(value)
        for slot in others:
            if slot.parts:
                shown[slot.name] = _compound(slot, row)
            elif (value := shown[slot.name]) is not None:
                shown[slot.name] = _labelled(slot, value if slot.show is None else slot.show(value), row[slot.label])
        for link in self.links:
            shown[link.name] = None
        for index, withheld in self.masks:
            if not row[index]:
                shown.setdefault("_masked", []).extend(name for name in withheld if name in shown)
        return shown


def _compound(slot: Slot, row: Any) -> Any:
    shown: dict[str, Any] = {}
    lacking = 0
    for number, (name, index, show) in enumerate(slot.parts):
        cell = row[index]
        lacking += cell is None
        if cell is None and number < slot.needed:
            return None
        shown[name] = cell if cell is None or show is None else show(cell)
    return None if lacking == len(shown) else shown


def _fixed(node: Node) -> bool:
    """Whether a value of a filter is the same for every record, and not null."""
    return (isinstance(node, Literal) and node.value is not None) or (isinstance(node, Named) and node.parameter)


def _labelled(slot: Slot, value: Any, label: Any) -> Any:
    return RESTRICTED if label is None or slot.kind == "restricted" else {"id": value, "label": label}


def variables(actor: Actor, now: datetime) -> dict[str, Any]:
    """Return the values of the Vars every statement may use."""
    moment = now.astimezone(UTC)
    return {
        "user.id": actor.id,
        "user.email": actor.user.get("email"),
        "user.name": actor.name,
        "user.unit": actor.user.get("unit"),
        "now": moment,
        "today": moment.date(),
    }


def compile_filter(live: Live, actor: Actor, entity: Entity, source: str) -> Expression:
    """Return the filter as a typed condition over what the actor may read.

    It may also be in its JSON form (expression/json_form.py), as a text: no expression begins with ``{``.

    Raises:
        Invalid: it is not an expression, or not a condition; the Issue's path is ``filter``.
    """
    scope = ReadableScope(live, entity, actor)
    try:
        if source.lstrip().startswith("{"):
            return from_json(msgspec.json.decode(source), scope, types.BOOL)
        return compile_expression(source, scope, types.BOOL)
    except (msgspec.MsgspecError, RecursionError):
        raise Invalid("The filter is not valid", [Issue("filter", "syntax", "It is not valid JSON.")]) from None
    except ExpressionError as error:
        raise Invalid("The filter is not valid", [replace(error.issue(), path="filter")]) from None


class Selector:
    """Builds the statements of one entity for one actor's roles."""

    def __init__(self, live: Live, actor: Actor, access: Access, action: str = "read") -> None:
        self.live, self.actor, self.access, self.entity = live, actor, access, access.entity
        self.binder = Binder(live.dialect)
        self.visible = Visible(live, actor, self.binder)
        self.shown = self.visible if action in ("read", "restore") else self.visible.leaving(action)
        self.selected: list[str] = []
        self.joins: list[str] = []
        self.links: dict[str, Field] = {}

    # --- parts ---

    def conditions(self, query: Query, words: int) -> list[str]:
        """Return what must hold for a row to be found."""
        found = [f't."deleted_at" IS {"NOT " if query.trash == "deleted" else ""}NULL']
        holding = self.visible.rows if query.trash == "deleted" else self.visible.living
        if rows := holding(self.access.rules, self.entity, "t"):
            found.append(rows)
        if query.filter:
            condition = compile_filter(self.live, self.actor, self.entity, query.filter)
            found.extend(self._pointed(condition))
            found.append(condition.sql(self.binder, lambda path: self.visible.value(self.entity, "t", path)))
        found.extend(self._found(words, query.sort))
        return found

    def _pointed(self, condition: Expression) -> list[str]:
        """Return what a filter that asks for the records pointing to one demands of the bare column.

        The filter itself compares with an id that is null where it is withheld, which no index serves; what is equal to
        that id is equal to the bare one as well, so that this changes no answer.
        """
        tree = condition.tree
        terms = tree.terms if isinstance(tree, Join) and tree.operator == "&&" else (tree,)
        found: list[str] = []
        for term in terms:
            if not isinstance(term, Compare) or term.operator != "==" or not isinstance(term.left, Named):
                continue
            found.extend(self._beyond(condition, term))
            field = self.entity.fields.get(term.left.path[0]) if len(term.left.path) == 1 else None
            if field is None or field.type != "relation" or field.through is not None or not _fixed(term.right):
                continue
            if not self._bare(field):
                equal = replace(condition, tree=term)
                found.append(equal.sql(self.binder, lambda path: self.visible.path(self.entity, "t", path)))
        return found

    def _beyond(self, condition: Expression, term: Compare) -> Iterator[str]:
        """Yield what ``region.name == 'North'`` demands of the bare columns: only so are the few found by an index."""
        known = isinstance(term.right, Literal) and term.right.value is not None
        path = term.left.path if isinstance(term.left, Named) and known else ()
        field = self.entity.fields.get(path[0]) if len(path) == 2 else None
        if field is None or field.type != "relation" or field.polymorphic or field.through or field.kind:
            return
        target = self.live.model.entities[field.to[0]]
        end = target.fields.get(path[1])
        if end is None or end.kind or end.virtual or end.through or end.polymorphic or not columns(end):
            return
        alias = self.visible.alias()
        bare = f"{alias}.{quote(end.name)}"
        equal = replace(condition, tree=term)
        sql = equal.sql(self.binder, lambda p: bare if p == path else self.visible.path(self.entity, "t", p))
        yield f't.{quote(field.name)} IN (SELECT {alias}."id" FROM {quote(target.name)} {alias} WHERE {sql})'

    def _bare(self, field: Field) -> bool:
        """Whether the actor sees a relation of the entity as it is stored."""
        target = None if field.polymorphic else self.visible.access(self.live.model.entities[field.to[0]])
        return target is not None and target.unconditional

    def _found(self, words: int, sort: tuple[str, ...]) -> list[str]:
        """Return the conditions of a search: -1 words are one that names none, which nothing fits."""
        if not words:
            return []
        index = self.live.words.get(self.entity.name, "")
        places = search_places(self.access)
        if words < 0 or not places or not index:
            return ["1 = 0"]
        if len(places) == 1 and not places[0].rules:
            return [self._all_words(index, sort)]
        return [f"({' OR '.join(self._one_word(index, n, p) for p in range(len(places)))})" for n in range(words)]

    def _all_words(self, index: str, sort: tuple[str, ...]) -> str:
        if RELEVANCE not in sort:
            return self._among(self._hits(index, "match"))
        hits = (
            f"SELECT * FROM ({self._hits(index, name)} LIMIT {MAX_RANKED}) {self.visible.alias()}" for name in RANKED
        )
        return self._among(" UNION ".join(hits))

    def _one_word(self, index: str, number: int, place: int) -> str:
        hit = self._among(self._hits(index, f"match.{number}.{place}"))
        rules = search_places(self.access)[place].rules
        return f"({hit} AND {self.visible.rows(rules, self.entity, 't')})" if rules else hit

    def _among(self, hits: str) -> str:
        """Return the condition that a row is among hits; they are gathered once, from the index."""
        return f't."id" IN ({hits})' if self.live.dialect.name == "sqlite" else f't."id" = ANY(ARRAY({hits}))'

    def _hits(self, index: str, name: str) -> str:
        asked, alias = self.binder.bind(Var(name, TEXT), TEXT), self.visible.alias()
        if self.live.dialect.name == "sqlite":
            text = quote(full_text(index))
            return f'SELECT {alias}."id" FROM {text}({asked}) f JOIN {quote(index)} {alias} ON {alias}."n" = f.rowid'
        found = f"{lexemes(f'{alias}.')} @@ {asked}::tsquery"
        return f'SELECT {alias}."id" FROM {quote(self.entity.name)} {alias} WHERE {found}'

    def select(self, sql: str) -> int:
        """Add a column to the statement, unless it is there, and return its place in the row."""
        if sql in self.selected:
            return self.selected.index(sql)
        self.selected.append(sql)
        return len(self.selected) - 1

    def slot(self, name: str) -> Slot | None:
        """Add the value of a field path; None when the actor may never read it."""
        parts = tuple(name.split("."))
        path = resolve(self.live.model, self.entity, parts)
        if path is None or path.field.through or not readable(self.live, self.actor, self.entity, path):
            return None
        sql = (self.shown.value if path.part else self.shown.path)(self.entity, "t", parts)
        index = self.select(sql)
        show = revealing(path.field, self.live.dialect.jsonable(path.kind), self.live.parsing)
        if path.part:
            return Slot(name, index, show)
        if further := field_parts(path.field):
            return self._several(name, path, index, further)
        if path.field.type == "relation":
            return self._labelled(name, path, index, sql, show)
        return Slot(name, index, show)

    def _several(self, name: str, path: Path, index: int, further: tuple[Part, ...]) -> Slot:
        type, jsonable = TYPES[path.field.type], self.live.dialect.jsonable
        found = [(type.first, index, jsonable(path.kind))]
        for part in further:
            sql = self.shown.path(self.entity, "t", (*name.split("."), part.name))
            found.append((part.name, self.select(sql), jsonable(part.column)))
        needed = 1 + sum(not part.optional for part in further) if type.whole else 0  # what is optional comes last
        kind = "pointer" if path.field.polymorphic else "compound"
        return Slot(name, index, None, kind, parts=tuple(found), needed=needed)

    def _labelled(self, name: str, path: Path, index: int, sql: str, show: Callable[[Any], Any] | None) -> Slot:
        target = self.live.model.entities[path.field.to[0]]
        access = self.visible.access(target)
        if access is None or visibility(access, "label") is None:
            return Slot(name, index, show, "restricted", index)
        alias = self.visible.alias()
        self.joins.append(f"LEFT JOIN {quote(target.name)} {alias} ON {self.visible.joined(target, alias, sql)}")
        return Slot(name, index, show, "relation", self.select(self.visible.column(access, alias, "label", "label")))

    def slots(self, names: tuple[str, ...]) -> tuple[Slot, ...]:
        """Add the asked fields (all readable ones when none is named), always with id and version.

        Raises:
            Invalid: a name is unknown, or never readable for the actor: the two look the same.
        """
        wanted = names or tuple(n for n in self.entity.fields if n not in HIDDEN)
        found: list[Slot] = []
        issues: list[Issue] = []
        for name in dict.fromkeys(("id", "version", *wanted)):
            slot = self.slot(name)
            if slot is not None:
                found.append(slot)
            elif self._linked(name):
                continue
            elif names:
                issues.append(Issue("fields", "unknown_field", f"There is no field {name!r}."))
        if issues:
            raise Invalid("Some fields are unknown", issues)
        return tuple(found)

    def _linked(self, name: str) -> bool:
        """Note a relation to many; False when it is none that the actor may read."""
        path = resolve(self.live.model, self.entity, (name,))
        if path is None or not path.field.through or not readable(self.live, self.actor, self.entity, path):
            return False
        self.links[name] = path.field
        return True

    def masks(self, slots: tuple[Slot, ...]) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Add a "may read" column per group of fields that are withheld on some rows."""
        groups: dict[tuple[Rule, ...], list[str]] = {}
        for name in (*(slot.name for slot in slots), *self.links):
            giving = visibility(self.access, name) if name in self.entity.fields else ()
            if giving:
                groups.setdefault(giving, []).append(name)
        return tuple(
            (self.select(f"CASE WHEN {self.visible.rows(rules, self.entity, 't')} THEN 1 ELSE 0 END"), tuple(names))
            for rules, names in groups.items()
        )

    def keys(self, sort: tuple[str, ...]) -> tuple[tuple[Key, str], ...]:
        """Return the sort keys with their SQL; the id is the last.

        Raises:
            Invalid: a key is unknown or cannot be sorted by.
        """
        found = [
            self._rank() if name == RELEVANCE and name not in self.entity.fields else self._key(name) for name in sort
        ]
        down = bool(sort) and sort[-1].startswith("-")  # the id goes the way of the last key, so that an index serves
        return (*found, (Key(ColumnType("uuid"), self.select('t."id"'), down, nullable=False), 't."id"'))

    def _rank(self) -> tuple[Key, str]:
        """Return how well the label fits what was typed: the same, beginning so, a word that does, or not at all."""
        if visibility(self.access, "label") is None:
            raise Invalid(
                "The list cannot be sorted so", [Issue("sort", "not_sortable", "There is no order by relevance.")]
            )
        label = self.live.dialect.fold(self.visible.column(self.access, "t", "label", "label"))
        same, starts, has = (self.binder.bind(Var(f"rank.{name}", TEXT), TEXT) for name in ("same", "starts", "has"))
        sql = (
            f"CASE WHEN {label} = {same} THEN 0 WHEN {label} LIKE {starts} ESCAPE '\\' THEN 1"
            f" WHEN {label} LIKE {has} ESCAPE '\\' THEN 2 ELSE 3 END"
        )
        return Key(INT, self.select(sql), descending=False, nullable=False), sql

    def _key(self, name: str) -> tuple[Key, str]:
        descending = name.startswith("-")
        parts = tuple(name.lstrip("-").split("."))
        path = resolve(self.live.model, self.entity, parts)
        if path is None or not readable(self.live, self.actor, self.entity, path):
            raise Invalid(
                "The list cannot be sorted so", [Issue("sort", "unknown_field", f"There is no field {name!r}.")]
            )
        if not path.part and not TYPES[path.field.type].ordered:
            raise Invalid("The list cannot be sorted so", [Issue("sort", "not_sortable", f"{name!r} has no order.")])
        if path.field.type == "relation" and not path.field.polymorphic and not path.part:
            parts = (*parts, "label")
            path = resolve(self.live.model, self.entity, parts)
            if path is None or not readable(self.live, self.actor, self.entity, path):
                raise Invalid(
                    "The list cannot be sorted so", [Issue("sort", "unknown_field", f"There is no field {name!r}.")]
                )
        sql = self.visible.value(self.entity, "t", parts)
        nullable = sql != 't."id"'
        return Key(path.kind, self.select(sql), descending, nullable), sql

    def statement(self, where: list[str], tail: str) -> Statement:
        """Return the finished statement over the entity's table; the last column tells the generation in force."""
        joins = (" " + " ".join(self.joins)) if self.joins else ""
        source = f"{quote(self.entity.name)} t{joins}"
        return self.binder.statement(
            f"SELECT {', '.join(self.selected)}, {IN_FORCE} FROM {source} WHERE {' AND '.join(where)}{tail}"
        )


def order_by(dialect: str, keys: tuple[tuple[Key, str], ...]) -> str:
    """Return the ORDER BY clause: null is the least value, as on SQLite; PostgreSQL must be told."""
    terms = []
    for key, sql in keys:
        nulls = " NULLS LAST" if key.descending else " NULLS FIRST"
        terms.append(
            sql + (" DESC" if key.descending else "") + (nulls if dialect != "sqlite" and key.nullable else "")
        )
    return " ORDER BY " + ", ".join(terms)


def beyond(keys: tuple[tuple[Key, str], ...], nulls: tuple[bool, ...], binder: Binder) -> str:
    """Return the condition "after the cursor" (keyset paging); `nulls` says which of its values are null."""
    alternatives: list[str] = []
    equal: list[str] = []
    for number, ((key, sql), null) in enumerate(zip(keys, nulls, strict=True)):
        mark = "" if null else binder.bind(Var(f"after.{number}", key.type), key.type)
        if null:
            later = "" if key.descending else f"{sql} IS NOT NULL"
        elif key.descending:
            later = f"({sql} < {mark} OR {sql} IS NULL)" if key.nullable else f"{sql} < {mark}"
        else:
            later = f"{sql} > {mark}"
        if later:
            alternatives.append("(" + " AND ".join([*equal, later]) + ")")
        equal.append(f"{sql} IS NULL" if null else f"{sql} = {mark}")
    return "(" + " OR ".join(alternatives) + ")"


RANKED = ("match.whole", "match")


@dataclass(frozen=True, slots=True)
class Place:
    """Fields in which a search looks, and the rules on whose rows it may; none = on all rows."""

    fields: tuple[str, ...]
    rules: tuple[Rule, ...]


def search_places(access: Access) -> tuple[Place, ...]:
    """Return where a search looks: every field that makes up the search, where the actor may read it."""
    found: dict[tuple[Rule, ...], list[str]] = {}
    for name in access.entity.search:
        rules = visibility(access, name)
        if rules is not None:
            found.setdefault(rules, []).append(name)
    return tuple(Place(tuple(names), rules) for rules, names in found.items())


def search_count(text: str) -> int:
    """Return how many words a search has; -1 when it has none although something was typed."""
    return len(sought_in(text)) or (-1 if text.strip() else 0)


def search_variables(dialect: Dialect, access: Access, text: str) -> dict[str, Any]:
    """Return the values of the Vars of a search."""
    words, places = sought_in(text), search_places(access)
    if not words or not places:
        return {}
    name, fields = dialect.name, places[0].fields
    found = {
        f"match.{n}.{p}": matching(name, [word], place.fields)
        for n, word in enumerate(words if len(places) > 1 or places[0].rules else ())
        for p, place in enumerate(places)
    }
    typed = " ".join((fold(text) or "").split())
    start = dialect.like_escape(typed)
    return {
        **found,
        "match": matching(name, words, fields),
        "match.whole": matching(name, words, fields, whole=True),
        "rank.same": typed,
        "rank.starts": f"{start}%",
        "rank.has": f"% {start}%",
    }
