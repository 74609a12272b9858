"""Definitions of all layers → one `Model`, or everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from xrm.errors import Issue, ModelError
from xrm.metadata.check import ExpressionCheck, check
from xrm.metadata.codes import found
from xrm.metadata.computed import settle
from xrm.metadata.definitions import entity_of, role_of, trait_of
from xrm.metadata.extend import Laying
from xrm.metadata.links import link_definitions, linked
from xrm.metadata.load import Definition
from xrm.metadata.memory import Memory, Prepared
from xrm.metadata.model import Entity, Model, Origin, Override, Role, Source, Trait
from xrm.metadata.names import did_you_mean
from xrm.metadata.nodes import Node
from xrm.metadata.normal import bare
from xrm.metadata.targets import is_removed, without_removed


@dataclass(frozen=True, slots=True)
class Review:
    """What became of the sources.

    Attributes:
        model: All that could be understood; only complete when `valid`.
        issues: Errors and warnings, in the order of the files.
    """

    model: Model
    issues: tuple[Issue, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing but warnings was found."""
        return all(issue.severity != "error" for issue in self.issues)


def build(sources: Sequence[Source], expressions: ExpressionCheck | None = None, memory: Memory | None = None) -> Model:
    """Return the model that the sources define.

    Args:
        sources: Files of all layers, in the order of the layers: builtin, plugins by their requirements, site.
        expressions: Judges formulas and conditions; None leaves them unread.
        memory: What the same caller made before, of the same `expressions`.

    Raises:
        ModelError: Something is wrong; the issues say all of it, with ``file:line:column``.
    """
    return of_review(review(sources, expressions, memory))


def of_review(result: Review) -> Model:
    """Return the model that was reviewed.

    Raises:
        ModelError: Something is wrong with it.
    """
    if not result.valid:
        errors = sum(issue.severity == "error" for issue in result.issues)
        raise ModelError(f"the model is not valid: {errors} {'error' if errors == 1 else 'errors'}", result.issues)
    return result.model


def review(
    sources: Sequence[Source], expressions: ExpressionCheck | None = None, memory: Memory | None = None
) -> Review:
    """Return what can be made of the sources together with every error and warning; never raises for bad files."""
    memory = memory or Memory()
    files = memory.files(sources)
    issues = [issue for file in files for issue in (*file.reading.issues, *file.issues)]
    uncertain = {name for file in files for name in file.reading.uncertain}
    merged = _Merge(files, issues, uncertain, memory).model(sources)
    model = settle(merged, issues, frozenset(uncertain))
    issues += check(model, expressions, frozenset(uncertain), memory)
    return Review(model, _ordered(issues, sources))


def _ordered(issues: Iterable[Issue], sources: Sequence[Source]) -> tuple[Issue, ...]:
    ranks = {source.file: rank for rank, source in enumerate(sources)}

    def place(issue: Issue) -> tuple[int, int, int]:
        file, line, column = (["", "", *issue.path.rsplit(":", 2)])[-3:]
        digits = line.isdigit() and column.isdigit()
        return ranks.get(file, len(ranks)), int(line) if digits else 0, int(column) if digits else 0

    return tuple(sorted(dict.fromkeys(issues), key=place))


class _Merge:
    """One pass over all definitions; what is wrong goes into `issues`, what is incomplete into `uncertain`."""

    def __init__(self, files: Iterable[Prepared], issues: list[Issue], uncertain: set[str], memory: Memory) -> None:
        self.issues = issues
        self.uncertain = uncertain
        self.memory = memory
        read = [definition for file in files for definition in file.definitions]
        layers = {layer: rank for rank, layer in enumerate(dict.fromkeys(d.node.source.layer for d in read))}
        self.definitions = sorted(read, key=lambda d: layers[d.node.source.layer])
        self.links = link_definitions(self.definitions)
        self.definitions += self.links.values()
        self.ranks = layers
        self.overrides: dict[str, Override] = {}

    def model(self, sources: Sequence[Source]) -> Model:
        traits = {name: trait_of(name, d.node, d.origin) for name, d in self._owned("trait").items()}
        roles, removed = self._roles()
        entities = linked(self._entities(traits), self.links, self.issues)
        return Model(
            MappingProxyType(entities),
            MappingProxyType(roles),
            MappingProxyType(traits),
            tuple(sources),
            MappingProxyType(self.overrides),
            MappingProxyType(removed),
        )

    def _roles(self) -> tuple[dict[str, Role], dict[str, Origin]]:
        """Return the roles, each with what all layers say of it, and where those that are no more were removed."""
        owned = self._owned("role")
        roles: dict[str, Role] = {}
        removed: dict[str, Origin] = {}
        for name, own in owned.items():
            node, gone = self._laid(own, self._further(own), {})
            if is_removed(node):
                removed[name] = node.value["removed"].origin
            else:
                roles[name] = role_of(name, node, own.origin, gone)
        return roles, removed

    def _further(self, own: Definition) -> list[Definition]:
        """Return what later layers say of a role: the first definition of each."""
        further: dict[str, Definition] = {}
        for definition in self.definitions:
            layer = definition.node.source.layer
            if (definition.kind, definition.name) == ("role", own.name) and layer != own.node.source.layer:
                further.setdefault(layer, definition)
        return list(further.values())

    def _laid(
        self, own: Definition, changes: list[Definition], traits: dict[str, Node]
    ) -> tuple[Node, dict[str, Origin]]:
        """Return a definition with all extensions laid over it, without what they take away, and where they did."""
        laying = Laying(traits, self.issues)
        node = laying.first(own.node)
        for change in changes:
            node = laying.over(node, change.node)
        laying.done()
        self.overrides.update({".".join((own.name, *path)): each for path, each in laying.overrides.items()})
        return without_removed(node, laying, self.issues)

    def _owned(self, kind: str) -> dict[str, Definition]:
        """Return the definitions of a kind by name, each once; of a role, the first of those of all layers."""
        owned: dict[str, Definition] = {}
        layers: dict[tuple[str, str], Definition] = {}
        for definition in (d for d in self.definitions if d.kind == kind):
            first = owned.setdefault(definition.name, definition)
            layer = definition.node.source.layer if kind == "role" else ""
            same = layers.setdefault((definition.name, layer), definition)
            if same is not definition:
                self._duplicate(same if kind == "role" else first, definition)
        return owned

    def _duplicate(self, first: Definition, second: Definition) -> None:
        elsewhere = second.kind == "entity" and first.node.source.layer != second.node.source.layer
        hint = f"write extends: {second.name} to add to it" if elsewhere else "keep one of them"
        message = f"{second.kind} {second.name!r} is defined here and at {first.origin}"
        self.issues.append(found(second.origin, "duplicate_definition", message, hint))

    def _entities(self, traits: dict[str, Trait]) -> dict[str, Entity]:
        owned = self._owned("entity")
        changes = self._extensions(owned)
        nodes = {d.name: d.node for d in self.definitions if d.kind == "trait"}
        return {name: self._entity(d, changes.get(name, []), traits, nodes) for name, d in owned.items()}

    def _entity(
        self, own: Definition, changes: list[Definition], traits: dict[str, Trait], nodes: dict[str, Node]
    ) -> Entity:
        used = {bare(item.value): item for d in (own, *changes) for item in _uses(d)}
        parts = (own.node, *(d.node for d in changes), *(nodes.get(name) for name in used))
        known = self.memory.merged(own.name, parts)
        if known is not None:
            return known
        before = len(self.issues), len(self.uncertain), len(self.overrides)
        node, gone = self._laid(own, changes, {name: nodes[name] for name in used if name in nodes})
        if any(name in self.uncertain or name not in traits for name in used):
            self.uncertain.add(own.name)
        entity = entity_of(own.name, node, own.origin, self._traits(node, traits), self.issues, gone)
        if before == (len(self.issues), len(self.uncertain), len(self.overrides)) and own.name not in self.uncertain:
            self.memory.keep(own.name, parts, entity)
        return entity

    def _traits(self, node: Node, traits: dict[str, Trait]) -> list[Trait]:
        """Return the traits an entity uses; one that does not exist is noted, and two that bring the same field."""
        used: list[Trait] = []
        uses = node.get("uses")
        for item in uses.value if uses is not None else ():
            trait = traits.get(item.value)
            if trait is not None:
                self._apart(item, trait, used)
                used.append(trait)
            elif item.value not in self.uncertain:
                hint = did_you_mean(item.value, traits)
                self.issues.append(found(item.origin, "unknown_trait", f"there is no trait {item.value!r}", hint))
        return used

    def _apart(self, item: Node, trait: Trait, others: list[Trait]) -> None:
        for other in others:
            for name in trait.fields:
                if name in other.fields and trait.fields[name] != other.fields[name]:
                    message = (
                        f"the traits {other.name!r} and {trait.name!r} both bring a field {name!r}, and they differ"
                    )
                    self.issues.append(found(item.origin, "trait_conflict", message, "use one of them"))

    def _extensions(self, owned: dict[str, Definition]) -> dict[str, list[Definition]]:
        """Return the extensions of each entity in the order of their layers."""
        changes: dict[str, list[Definition]] = {}
        for change in (d for d in self.definitions if d.kind == "extends"):
            before = changes.setdefault(change.name, [])
            same = next((other for other in before if other.node.source.layer == change.node.source.layer), None)
            if same is not None:
                self._duplicate(same, change)
            elif self._later(change, owned):
                before.append(change)
                continue
            self.uncertain.add(change.name)
        return changes

    def _no_entity(self, change: Definition, owned: dict[str, Definition]) -> None:
        for name, own in owned.items():
            was = own.node.get("was")
            if was is not None and was.value == change.name:
                message = f"the entity {change.name!r} is called {name!r} now, by {was.source.layer!r} at {was.origin}"
                self.issues.append(found(change.origin, "renamed_name", message, f"write extends: {name}"))
                return
        hint = did_you_mean(change.name, owned)
        self.issues.append(
            found(change.origin, "extends_unknown", f"there is no entity {change.name!r} to extend", hint)
        )

    def _later(self, change: Definition, owned: dict[str, Definition]) -> bool:
        """Return whether an extension comes after the entity it adds to; note it when it does not."""
        target, layer = owned.get(change.name), change.node.source.layer
        if target is None:
            if change.name not in self.uncertain:
                self._no_entity(change, owned)
            return False
        theirs = target.node.source.layer
        if theirs == layer:
            message = f"entity {change.name!r} is of this layer itself ({target.origin})"
            self.issues.append(found(change.origin, "extends_own", message, "write it there"))
        elif self.ranks[theirs] > self.ranks[layer]:
            message = f"entity {change.name!r} comes later, from {theirs!r}"
            self.issues.append(found(change.origin, "extends_unknown", message, f"let {layer!r} require {theirs!r}"))
        return self.ranks[theirs] < self.ranks[layer]


def _uses(definition: Definition) -> list[Node]:
    uses = definition.node.get("uses")
    return uses.value if uses is not None else []
