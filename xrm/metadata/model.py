"""The words of the platform: frozen dataclasses that a site's definitions become.

A `Model` is immutable and complete: traits are mixed in, extensions merged, system fields added, names checked.
Everything above (tables, routes, pages, policy) is derived from one Model and thrown away with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, Any] = MappingProxyType({})


def empty() -> Mapping[str, Any]:
    """Return the empty mapping (a default factory: Python takes a mappingproxy for a mutable default)."""
    return EMPTY


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a definition or one of its values was written: the layer that set it, and the place in its file."""

    layer: str = ""  # "xrm.<builtin>", the plugin's name, or "site"
    file: str = ""  # relative to the site's folder, or to the plugin's with "<plugin>/" in front
    line: int = 0  # 1-based
    column: int = 0  # 1-based

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.file else self.layer


@dataclass(frozen=True, slots=True)
class Override:
    """A property that a later layer set otherwise than the layers before it."""

    earlier: Any  # the JSON value of the earlier layers
    earlier_origin: Origin
    value: Any  # the JSON value in force
    origin: Origin


@dataclass(frozen=True, slots=True)
class Choice:
    """One allowed value of a choice field."""

    name: str
    title: str
    color: str = ""  # a Bootstrap contextual name: primary, success, danger, warning, info, secondary
    was: tuple[str, ...] = ()  # former values that this one takes over
    when: tuple[str, ...] = ()  # values of the field it depends on with which it may be chosen; empty = all


@dataclass(frozen=True, slots=True)
class Convert:
    """How the values that are there become values of a field whose type, choices or target change.

    It is looked at once, when that change is planned and applied; it may stay in the file.
    """

    expression: str = ""  # over the record as it was before the change
    map: Mapping[str, Any] = field(default_factory=empty)  # former value, as text → JSON value; null empties
    by: str = ""  # relation: the field of the target that the former value names; empty = its label
    take: str = ""  # of several records' values: first | last | min | max
    otherwise: str = "refuse"  # what does not fit: refuse | clear


@dataclass(frozen=True, slots=True)
class Link:
    """How a relation to many records is kept: each pair as a record of a link entity that points to both sides."""

    entity: str = ""  # the link entity; empty = derived from the names of entity and field
    near: str = ""  # YAML: from; its relation to the record that has the field; empty = the first that fits
    far: str = ""  # YAML: to; its relation to the record pointed to; empty = the first that fits
    fields: tuple[str, ...] = ()  # what it says about a pair: its own fields that a person may write


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an entity; `type` names a registered field type (see kernel/values.py)."""

    name: str
    type: str
    title: str
    help: str = ""
    required: bool = False
    unique: bool = False
    index: bool = False
    read_only: bool = False  # set by formulas, hooks and transitions, never by a person
    system: bool = False  # id, version, created_at …: kept by the kernel
    field_class: str = "internal"  # public | internal | confidential | personal | special | secret (YAML: class)
    default: Any = None  # JSON value, or "$user.id", "$today", "$now"
    backfill: Any = None  # JSON value, or {"expression": …}, for rows there when the field is new or becomes required
    convert: Convert | None = None  # how its values survive a change of type, choices or target
    min: Any = None  # number or date, inclusive
    max: Any = None  # number or date, inclusive; for text the greatest length in characters
    pattern: str = ""  # regular expression the whole text must match
    precision: int = 18  # digits of a decimal or money in all
    scale: int = 2  # digits after the point
    choices: tuple[Choice, ...] = ()
    depends_on: str = ""  # choice, choices: the choice field that says which of them may be chosen
    to: tuple[str, ...] = ()  # relation: target entities; ("*",) = any; more than one or "*" = polymorphic
    on_delete: str = "restrict"  # relation: restrict | clear | cascade
    inverse: str = ""  # relation: name of the list of these records on the target
    hierarchy: bool = False  # relation to its own entity: to the record above; cycles are refused
    many: bool = False  # relation: to any number of records; its type is then "links" and it has no column
    through: Link | None = None  # links: the link entity
    formula: str = ""  # expression that computes the value
    of: str = ""  # lookup: the path it shows; rollup: the list it sums up, with the relations that lead there
    where: str = ""  # rollup: expression over the listed records
    compute: str = ""  # rollup: count | sum | avg | min | max | list
    over: str = ""  # rollup: the path it takes of each listed record (YAML: field)
    stored: bool | None = None  # computed: kept on each write, or computed when read; None = not settled
    sight: str = "reader"  # computed: from what the reader may read, or from everything (YAML: as: system)
    kind: str = ""  # formula | lookup | rollup; see metadata/computed.py, which settles it and `type`
    across: bool = False  # computed: made of other records directly, not only of kept fields that are
    reads: frozenset[str] = frozenset()  # computed: fields of its own entity it is made of
    foreign: frozenset[tuple[str, str]] = frozenset()  # computed: (entity, field) it is made of
    json_schema: str = ""  # json: what its values must fit (JSON Schema 2020-12), as JSON text (YAML: schema)
    written: str = ""  # the type as it is written, where it is short for another: user, team
    number: str = ""  # auto_number: pattern such as "T-{00000}" or "INV-{YYYY}-{0000}"
    reset: str = "never"  # auto_number: when it begins again at 1, in the site's time zone: never | year | month
    gapless: bool = True  # auto_number: counted with its record, or taken from blocks, which is faster
    base: bool = False  # money: whether it also keeps its worth in the site's currency
    rate_date: str = ""  # money: the field whose day tells the exchange rate; empty = the day it is written
    open_ends: bool = False  # date_range: whether an end may be missing
    order: str = "given_first"  # person_name: given_first | family_first
    was: str = ""  # former name, or relation.field: where it moves here from; its data are kept
    removed: bool = False  # to be dropped, with consent
    origin: Origin = field(default=Origin(), compare=False)
    origins: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # property or path (to.0) → who set it

    @property
    def polymorphic(self) -> bool:
        """Whether a relation may point to records of more than one entity."""
        return self.type == "relation" and (len(self.to) > 1 or self.to == ("*",))

    @property
    def backfill_expression(self) -> str:
        """The expression that gives rows their back-fill, or empty."""
        given = self.backfill
        lone = isinstance(given, Mapping) and list(given) == ["expression"] and isinstance(given["expression"], str)
        return str(given["expression"]) if lone else ""

    @property
    def writable(self) -> bool:
        """Whether a person may ever send a value for it."""
        return not (self.system or self.read_only or self.formula or self.kind or self.type == "auto_number")

    @property
    def virtual(self) -> bool:
        """Whether it has no column: it is computed when it is read."""
        return bool(self.kind) and not self.stored

    @property
    def gathered(self) -> bool:
        """Whether it is kept, and made of other records: the kernel keeps it up when those change."""
        return self.across and bool(self.stored)


@dataclass(frozen=True, slots=True)
class Check:
    """A rule over the values of one record: when `when` holds, `require` must hold."""

    require: str  # expression
    message: str
    when: str = ""  # expression; empty = always
    severity: str = "block"  # block | warn | debt
    field: str = ""  # beside which field the message shows; derived from `require` when empty
    name: str = ""  # by which a later layer changes or removes it
    origin: Origin = dataclasses.field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class Restriction:
    """A condition without which nobody has a record, whatever their grants say; roles may be excepted from it."""

    where: str  # expression over the record and user.*
    excepted: tuple[str, ...] = ()  # roles
    name: str = ""  # by which a later layer changes or removes it
    origin: Origin = dataclasses.field(default=Origin(), compare=False)


BASES = ("consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests")
"""The legal bases of Art. 6 (1) GDPR, in its order."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What records hold of people, why, and for how long."""

    subject: str = ""  # expression: the records that are people; empty = none is
    fields: tuple[str, ...] = ()  # fields that hold personal data besides those of class personal and special
    purpose: str = ""
    basis: str = ""  # of BASES
    since: str = ""  # date or datetime field from which the time to keep counts
    keep: int = 0  # days; 0 = without an end
    then: str = "erase"  # erase | delete
    origin: Origin = dataclasses.field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """One state of a workflow; `final` is empty, or the kind of end: won, lost, done."""

    name: str
    title: str
    final: str = ""
    color: str = ""
    probability: int | None = None  # percent, for pipelines
    was: tuple[str, ...] = ()  # former states whose records it takes over


@dataclass(frozen=True, slots=True)
class Transition:
    """An allowed move between states."""

    name: str
    title: str
    sources: tuple[str, ...]  # YAML: from; ("*",) = any state but the target
    target: str  # YAML: to
    ask: tuple[str, ...] = ()  # fields that must be filled by the move
    roles: tuple[str, ...] = ()  # who may; empty = whoever may update the record
    guard: str = ""  # expression over the record as it will be
    set: Mapping[str, str] = field(default_factory=empty)  # field → expression
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class Workflow:
    """States and the allowed moves; its field is a choice field kept by the kernel."""

    field: str
    initial: str
    states: tuple[State, ...]
    transitions: tuple[Transition, ...]
    origin: Origin = dataclasses.field(default=Origin(), compare=False)

    def state(self, name: str) -> State | None:
        """Return the state called `name`, or None."""
        return next((s for s in self.states if s.name == name), None)

    def at(self, state: str | None) -> str:
        """Return the state a record is in: one that is none any more, or none of its type's, counts as the initial."""
        return state if state and self.state(state) is not None else self.initial

    def moves(self, source: str) -> tuple[Transition, ...]:
        """Return the transitions that start in `source`."""
        return tuple(t for t in self.transitions if source in t.sources or (t.sources == ("*",) and source != t.target))

    def move(self, source: str, target: str) -> Transition | None:
        """Return the transition from `source` to `target`, or None."""
        return next((t for t in self.moves(source) if t.target == target), None)


@dataclass(frozen=True, slots=True)
class Button:
    """One thing a person can do with a record at the press of a button; exactly one of `move`, `set`, `open`, `run`.

    The right to press it is the grant action ``run:<name>``.
    """

    name: str
    title: str
    icon: str = ""
    color: str = ""  # a Bootstrap contextual name
    when: str = ""  # expression over the record; it is offered and possible only where that holds
    confirm: str = ""  # question that is asked before
    move: str = ""  # the transition it makes
    set: Mapping[str, str] = field(default_factory=empty)  # field → expression
    open: str = ""  # web address: a template with expressions in braces
    run: str = ""  # the plugin's action it runs
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """One titled group of fields in a form."""

    title: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """How records are shown. `kind` is the name of the view type: list, form, board."""

    name: str
    kind: str
    title: str = ""
    columns: tuple[str, ...] = ()  # list: field paths such as "customer.name"
    filters: tuple[str, ...] = ()  # list: fields offered as facets
    filter: str = ""  # expression that always holds in this view
    sort: tuple[str, ...] = ()  # "-amount" = descending
    sections: tuple[Section, ...] = ()  # form
    by: str = ""  # board: choice or workflow field that makes the lanes
    sum: str = ""  # board: number or money field added up per lane
    card: tuple[str, ...] = ()  # board: fields on a card
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class RecordType:
    """What is particular to some of an entity's records: form, fields, choices, states and rules in one bundle."""

    name: str
    title: str
    description: str = ""
    was: tuple[str, ...] = ()  # former types whose records it takes over
    sections: tuple[Section, ...] = ()  # its form; empty = that of the entity
    hidden: tuple[str, ...] = ()  # fields its records do not have
    required: tuple[str, ...] = ()  # fields it needs besides those the entity needs
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=empty)  # field → the choices that are left
    defaults: Mapping[str, Any] = field(default_factory=empty)  # field → JSON value
    states: tuple[str, ...] = ()  # those its records may be in; empty = all
    initial: str = ""  # state of a new record; empty = that of the workflow, or the first of states
    transitions: tuple[str, ...] = ()  # the moves it knows; empty = all between its states
    checks: tuple[Check, ...] = ()
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class Key:
    """Fields whose values together occur once among the records that are not in the trash; null equals nothing."""

    fields: tuple[str, ...]
    where: str = ""  # expression over the record; it holds for the records the key is about
    ignore: str = ""  # "case": letters' case and accents make no difference


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of thing we keep records of."""

    name: str
    title: str
    plural: str
    fields: Mapping[str, Field]  # own, trait and system fields, in order
    label: str = "{id}"  # template over own fields; "{name|email}" = first that is not empty
    description: str = ""
    icon: str = ""
    group: str = ""  # heading in the navigation; "-" = not shown there
    uses: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    special: tuple[Key, ...] = ()  # keys with a condition, or that ignore case (YAML: unique)
    indexes: tuple[tuple[str, ...], ...] = ()
    search: tuple[str, ...] = ()  # fields the search box looks into
    checks: tuple[Check, ...] = ()
    restrict: tuple[Restriction, ...] = ()
    privacy: Privacy = Privacy()
    workflow: Workflow | None = None
    record_types: Mapping[str, RecordType] = field(default_factory=empty)
    buttons: Mapping[str, Button] = field(default_factory=empty)
    views: Mapping[str, View] = field(default_factory=empty)
    timeline: bool = False  # its record page shows activities and history
    link: bool = False  # it was made by a relation to many records, and lives as long as both its ends
    was: str = ""
    removed: bool = False
    origin: Origin = field(default=Origin(), compare=False)
    origins: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # path (views.list.sort) → who set it
    gone: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # path of a part → who removed it

    @property
    def keys(self) -> tuple[Key, ...]:
        """All unique keys, the plain ones first."""
        single = (Key((f.name,)) for f in self.fields.values() if f.unique or f.type == "auto_number")
        return (*single, *(Key(names) for names in self.unique), *self.special)

    def key(self, names: Iterable[str]) -> Key | None:
        """Return the key of exactly these fields, in whatever order, or None."""
        wanted = frozenset(names)
        return next((key for key in self.keys if frozenset(key.fields) == wanted), None)

    @property
    def personal(self) -> tuple[Field, ...]:
        """The fields that hold data of people, in order."""
        classes = ("personal", "special")
        return tuple(f for f in self.fields.values() if f.field_class in classes or f.name in self.privacy.fields)

    @property
    def owned(self) -> bool:
        """Whether its records have an owner."""
        return "owner" in self.fields

    def relations(self) -> Iterator[Field]:
        """Yield the fields that point to other records."""
        return (f for f in self.fields.values() if f.type == "relation" and not f.kind)


@dataclass(frozen=True, slots=True)
class Inverse:
    """The far end of a relation: the list of `entity` records whose `field` points here."""

    name: str
    entity: str
    field: str


@dataclass(frozen=True, slots=True)
class Trait:
    """A reusable set of fields and switches that an entity takes in by `uses:`."""

    name: str
    fields: Mapping[str, Field]
    timeline: bool = False
    origin: Origin = field(default=Origin(), compare=False)


ACTIONS = ("read", "create", "update", "delete", "restore", "export", "import", "share")
SCOPES = ("own", "team", "unit", "unit_tree", "managed", "all")


CHANNELS = ("ui", "api", "import", "cli", "automation", "webhook", "mail", "erp")
"""By what way people act."""


@dataclass(frozen=True, slots=True)
class When:
    """What must hold of the moment for a grant to count; all of it that is said."""

    mfa: bool = False  # a second factor was shown
    channel: tuple[str, ...] = ()  # one of CHANNELS
    network: tuple[str, ...] = ()  # the request comes from one of these (CIDR)
    hours: str = ""  # "08:00-18:00" in the site's time zone; "22:00-06:00" goes over midnight


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: on these rows of this entity, these actions, these fields."""

    entity: str  # an entity or "*"
    actions: tuple[str, ...]  # of ACTIONS, or run:<action>; "*" = all
    scope: str = "all"  # of SCOPES
    where: str = ""  # expression over the record and user.*
    via: str = ""  # a relation: where the record it leads to is given for the same action
    check: str = ""  # expression that must hold of a record after a write
    preset: Mapping[str, Any] = field(default_factory=empty)  # field → value a new record gets, whatever was sent
    read: tuple[str, ...] = ("*",)  # field classes, "+field", "-field" or "*"
    write: tuple[str, ...] = ("*",)
    when: When = When()
    name: str = ""  # by which a later layer changes or removes it
    origin: Origin = field(default=Origin(), compare=False)


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    name: str
    title: str
    description: str = ""
    grants: tuple[Grant, ...] = ()
    capabilities: tuple[str, ...] = ()  # model.read, model.edit, users.edit; "*" = all
    mfa: str = ""  # required: in force only for who showed a second factor
    may_grant: tuple[str, ...] = ()  # roles that who has it, and users.edit, may give to others
    origin: Origin = field(default=Origin(), compare=False)
    origins: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # path (views.list.sort) → who set it
    gone: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # path of a part → who removed it


@dataclass(frozen=True, slots=True)
class Source:
    """One file of definitions, as text: what a generation is kept as, and rebuilt from."""

    layer: str
    file: str
    text: str


@dataclass(frozen=True)
class Model:
    """All definitions of a site."""

    entities: Mapping[str, Entity] = field(default_factory=empty)
    roles: Mapping[str, Role] = field(default_factory=empty)
    traits: Mapping[str, Trait] = field(default_factory=empty)
    sources: tuple[Source, ...] = ()
    overrides: Mapping[str, Override] = field(default_factory=empty, compare=False)  # deal.fields.amount.min → …
    removed_roles: Mapping[str, Origin] = field(default_factory=empty, compare=False)  # role → who removed it

    def entity(self, name: str) -> Entity | None:
        """Return the entity called `name`, or None."""
        return self.entities.get(name)

    @cached_property
    def inverses(self) -> Mapping[str, tuple[Inverse, ...]]:
        """Per entity, the relations that point to it (polymorphic "*" relations count for every entity)."""
        found: dict[str, list[Inverse]] = {name: [] for name in self.entities}
        for entity in self.entities.values():
            for relation in entity.relations():
                if relation.system:
                    continue
                targets = self.entities if relation.to == ("*",) else relation.to
                for target in targets:
                    if target in found:
                        found[target].append(Inverse(relation.inverse, entity.name, relation.name))
        return MappingProxyType({name: tuple(ends) for name, ends in found.items()})
