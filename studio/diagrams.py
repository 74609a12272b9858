"""Diagrams of a model, as Mermaid text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from xrm.metadata.model import Entity, Field, Workflow

EVERYWHERE = frozenset({"owner", "unit"})  # relations of traits that would join everything with everything


def entities_diagram(entities: Mapping[str, Entity], shown: Iterable[str]) -> str:
    """Return an entity-relationship diagram of some entities and the relations between them."""
    names = [name for name in shown if name in entities]
    lines = ["erDiagram"]
    for name in names:
        lines.append(f'  {name}["{_text(entities[name].title)}"]')
    lines += [line for name in names for line in _relations(entities[name], frozenset(names))]
    return "\n".join(lines)


def _relations(entity: Entity, names: frozenset[str]) -> Iterator[str]:
    for field in entity.relations():
        if shown_relation(field):
            one = "||" if field.required else "o|"
            yield from (
                f'  {target} {one}--o{{ {entity.name} : "{_text(field.title)}"'
                for target in field.to
                if target in names
            )


def shown_relation(field: Field) -> bool:
    """Return whether a relation says something about its entity: not one that every entity has."""
    return not (field.system or field.removed or field.name in EVERYWHERE)


def neighbours(entities: Mapping[str, Entity], name: str) -> list[str]:
    """Return an entity and those it is directly related to."""
    found = [name]
    for entity in entities.values():
        for field in entity.relations():
            if shown_relation(field) and (entity.name == name or name in field.to):
                found += [entity.name, *field.to]
    return [other for other in dict.fromkeys(found) if other in entities]


def states_diagram(workflow: Workflow) -> str:
    """Return a state diagram of a workflow."""
    lines = ["stateDiagram-v2", "  direction LR"]
    lines += [f'  state "{_text(state.title)}" as {_id(state.name)}' for state in workflow.states]
    lines.append(f"  [*] --> {_id(workflow.initial)}")
    for move in workflow.transitions:
        sources = move.sources
        if sources == ("*",):
            sources = tuple(s.name for s in workflow.states if s.name != move.target)
        lines += [f"  {_id(source)} --> {_id(move.target)} : {_text(move.title)}" for source in sources]
    lines += [f"  {_id(state.name)} --> [*]" for state in workflow.states if state.final]
    return "\n".join(lines)


def _id(name: str) -> str:
    return f"s_{name}"


def _text(text: str) -> str:
    return re.sub(r'["#;:{}\[\]<>`%\\\n]', " ", text).strip() or "?"
