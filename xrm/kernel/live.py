"""One generation of the model, compiled and ready: immutable, swapped by one assignment.

Whoever works with a `Live` keeps it to the end of the request, so a request begun on one generation ends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from xrm.errors import Issue, ModelError
from xrm.kernel.buttons import Offer, offers
from xrm.kernel.computed.graph import Dependency, dependencies
from xrm.kernel.expression import Expression, types
from xrm.kernel.expression import compile as compile_expression
from xrm.kernel.files.content import Files
from xrm.kernel.history.bell import Bell
from xrm.kernel.hooks import Action, Handlers
from xrm.kernel.jobs.kind import NewJob
from xrm.kernel.paths import OwnScope, RecordScope, type_of
from xrm.kernel.policy import Policy, label_fields
from xrm.kernel.rows import RowStatements
from xrm.kernel.rules import CompiledCheck
from xrm.kernel.store.codec import Dialect
from xrm.kernel.store.errors import OtherGeneration
from xrm.kernel.store.store import Store
from xrm.kernel.values import Parsing
from xrm.kernel.vault import Vault
from xrm.metadata.computed import listed
from xrm.metadata.memory import Watch
from xrm.metadata.model import Button, Entity, Field, Model, RecordType, Transition, empty
from xrm.metadata.names import TYPE_FIELD
from xrm.metadata.record_types import narrowed


class Running(Protocol):
    """What reading and writing need of the running site: its database, its clock, the generation in force."""

    @property
    def store(self) -> Store:
        """The database."""

    @property
    def live(self) -> Live:
        """The generation in force now; keep it to the end of the act."""

    @property
    def files(self) -> Files:
        """The contents of files."""

    @property
    def bell(self) -> Bell:
        """Rung when an act was committed."""

    @property
    def vault(self) -> Vault:
        """Seals and opens encrypted texts."""

    @property
    def renewing(self) -> frozenset[str]:
        """The entities whose kept values wait to be computed anew."""

    @property
    def read_only(self) -> str:
        """Why nothing may be written for now; empty when it may."""

    def clock(self) -> datetime:
        """Return the current time, aware, UTC."""

    async def enqueue(self, job: NewJob) -> UUID:
        """Ask for a job in the act that is open; return its id."""

    async def refresh(self) -> None:
        """Put the newest generation in force, if it is not yet."""


MAX_STATEMENTS = 4000  # cached per generation
LONG = 4000  # characters of a filter: with more the statement is not kept


def present(model: Model) -> Model:
    """Return a model without what it says is removed: what a running site knows of."""
    kept = {entity.name: _present(entity) for entity in model.entities.values() if not entity.removed}
    return replace(model, entities=MappingProxyType(kept))


def _present(entity: Entity) -> Entity:
    if not any(field.removed for field in entity.fields.values()):
        return entity
    return replace(entity, fields=MappingProxyType({f.name: f for f in entity.fields.values() if not f.removed}))


@dataclass(frozen=True)
class LiveEntity:
    """One entity with everything that is made once per generation."""

    entity: Entity
    formulas: Mapping[str, Expression]  # kept ones, in order of dependence
    virtual: Mapping[str, Expression]  # formulas that are computed in SQL, and the conditions of rollups
    gathered: tuple[Field, ...]  # fields kept here and made of other records
    checks: tuple[CompiledCheck, ...]
    guards: Mapping[str, Expression]  # transition → guard
    sets: Mapping[str, Mapping[str, Expression]]  # transition or button → field → value
    plugged: Mapping[str, Action]  # what plugins bring
    actions: Mapping[str, Offer]  # those, and the buttons
    conditions: Mapping[str, Expression]  # action or button → when
    rows: RowStatements
    label_fields: tuple[str, ...]
    types: Mapping[str, LiveEntity] = field(default_factory=empty)  # record type → the same for its records
    hidden: frozenset[str] = frozenset()  # fields the records of a type do not have

    def of(self, values: Mapping[str, Any]) -> LiveEntity:
        """Return what holds for a record of these values: its record type's, where it has one."""
        return self.types.get(values.get(TYPE_FIELD, ""), self) if self.types else self

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The names of the fields whose computed values are kept."""
        return (*self.formulas, *(field.name for field in self.gathered))

    def transition(self, name: str) -> Transition | None:
        """Return the transition called `name`, or None."""
        workflow = self.entity.workflow
        return next((t for t in workflow.transitions if t.name == name), None) if workflow else None


@dataclass(frozen=True, slots=True)
class Compiled:
    """An entity as it was compiled, and what was looked up in the model for it."""

    prepared: LiveEntity
    watch: Watch


@dataclass(frozen=True)
class Live:
    """A running generation.

    `compiled` starts with what an earlier generation compiled: entities for which nothing changed are taken over.
    """

    generation: int
    model: Model
    dialect: Dialect
    parsing: Parsing
    handlers: Handlers
    actions: Sequence[Action] = ()
    unique_fields: Mapping[str, tuple[str, ...]] = field(default_factory=empty)  # index name → fields
    words: Mapping[str, str] = field(default_factory=empty)  # entity → name of its index of words
    compiled: dict[str, Compiled] = field(default_factory=dict)  # entity → how it was compiled last
    statements: dict[Any, Any] = field(default_factory=dict)  # bounded cache, see `cached`

    @cached_property
    def policy(self) -> Policy:
        """The compiled policy of this generation."""
        return Policy(
            self.model, lambda entity, source: compile_expression(source, RecordScope(self.model, entity), types.BOOL)
        )

    @cached_property
    def entities(self) -> Mapping[str, LiveEntity]:
        """The compiled entities, by name."""
        actions: dict[str, dict[str, Action]] = {}
        for action in self.actions:
            actions.setdefault(action.entity, {})[action.name] = action
        made = {e.name: self._compiled(e, actions.get(e.name, {})) for e in self.model.entities.values()}
        for gone in self.compiled.keys() - made.keys():
            del self.compiled[gone]
        return MappingProxyType(made)

    @cached_property
    def dependencies(self) -> Mapping[str, tuple[Dependency, ...]]:
        """Which kept values are made of other records, by the entity of those."""
        return dependencies(self.model)

    def cached(self, key: Any, make: Any) -> Any:
        """Return what `make` returned for `key` before, or now. Keys with a very long text in them are not kept."""
        found = self.statements.get(key)
        if found is None:
            found = make()
            if any(isinstance(part, str) and len(part) > LONG for part in key):
                return found
            if len(self.statements) >= MAX_STATEMENTS:
                self.statements.clear()
            self.statements[key] = found
        return found

    def _compiled(self, entity: Entity, actions: Mapping[str, Action]) -> LiveEntity:
        known = self.compiled.get(entity.name)
        if known is not None and known.prepared.plugged == actions and known.watch.holds(self.model):
            same = known.prepared
            return same if same.entity is entity else replace(same, entity=entity)  # only its lines moved
        watch = Watch(self.model)
        prepared = self._compile(watch.model, watch.model.entities[entity.name], actions)
        self.compiled[entity.name] = Compiled(prepared, watch.done())
        return prepared

    def _compile(self, model: Model, entity: Entity, actions: Mapping[str, Action]) -> LiveEntity:
        scope = OwnScope(model, entity)
        workflow = entity.workflow
        moves = workflow.transitions if workflow else ()
        offered = offers(model, entity, actions)
        setting: tuple[Transition | Button, ...] = (*moves, *entity.buttons.values())
        whole = LiveEntity(
            entity=entity,
            formulas=_ordered(
                entity,
                {
                    f.name: _value(scope, f.formula, f.name)
                    for f in entity.fields.values()
                    if f.formula and not f.virtual and not f.gathered
                },
            ),
            virtual={f.name: e for f in entity.fields.values() if (e := _when_read(model, entity, f))},
            gathered=tuple(f for f in entity.fields.values() if f.gathered),
            checks=tuple(_check(scope, check) for check in entity.checks),
            guards={t.name: compile_expression(t.guard, scope, types.BOOL) for t in moves if t.guard},
            sets={t.name: {n: _value(scope, s, n) for n, s in t.set.items()} for t in setting if t.set},
            plugged=actions,
            actions=offered,
            conditions={a.name: compile_expression(a.when, scope, types.BOOL) for a in offered.values() if a.when},
            rows=RowStatements(entity, self.dialect),
            label_fields=label_fields(entity),
        )
        return replace(whole, types={kind.name: _typed(scope, whole, kind) for kind in entity.record_types.values()})


def _typed(scope: OwnScope, whole: LiveEntity, kind: RecordType) -> LiveEntity:
    """Return an entity as it is compiled for the records of one type."""
    checks = (*whole.checks, *(_check(scope, check) for check in kind.checks))
    return replace(whole, entity=narrowed(whole.entity, kind), checks=checks, hidden=frozenset(kind.hidden))


def check_generation(live: Live, rows: Sequence[Sequence[Any]]) -> None:
    """See that rows, whose last column tells the generation in force, are of tables as `live` knows them.

    Raises:
        OtherGeneration: they are not, so that values would be misread.
    """
    if rows and rows[0][-1] != live.generation:
        raise OtherGeneration


def _when_read(model: Model, entity: Entity, field: Field) -> Expression | None:
    """Return what computes a field in SQL: its formula, or which records a rollup takes."""
    if field.kind == "formula" and (field.virtual or field.gathered):
        return compile_expression(field.formula, RecordScope(model, entity), type_of(field))
    source = listed(model, entity, field) if field.where else None
    return compile_expression(field.where, RecordScope(model, source.child), types.BOOL) if source else None


def _value(scope: OwnScope, source: str, name: str) -> Expression:
    return compile_expression(source, scope, type_of(scope.entity.fields[name]))


def _check(scope: OwnScope, check: Any) -> CompiledCheck:
    when = compile_expression(check.when, scope, types.BOOL) if check.when else None
    require = compile_expression(check.require, scope, types.BOOL)
    names = sorted(path[0] for path in require.paths if path[0] in scope.entity.fields)
    return CompiledCheck(check, when, require, check.field or (names[0] if names else ""))


def _ordered(entity: Entity, formulas: Mapping[str, Expression]) -> Mapping[str, Expression]:
    """Return the formulas so that each comes after those it uses."""
    graph = {n: {p[0] for p in e.paths if p[0] in formulas} for n, e in formulas.items()}
    try:
        return {name: formulas[name] for name in TopologicalSorter(graph).static_order()}
    except CycleError as error:
        names = ", ".join(error.args[1])
        raise ModelError(
            issues=[Issue(entity.name, "formula_cycle", f"These formulas need each other: {names}.")]
        ) from None
