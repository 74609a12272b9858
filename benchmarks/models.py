"""Models of any size, for measuring: the same size gives the same text.

    sources = model_sources(Size(entities=500, fields=20))
    write_site(Path("big"), Size(entities=500, fields=20))

Every entity has relations, a formula, a check, three views, an index and a label; every fifth has a workflow and a
board. They fall into groups of ten that point to each other, as real ones do; a hub (the first of all) is pointed to
by everything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xrm.metadata.model import Source

GROUP = 10  # entities that point to each other
ALWAYS = ("name", "code", "amount", "rate", "due", "stage", "parent", "hub", "worth")
_KINDS = (
    "text",
    "integer",
    "{type: text, max: 80, index: true}",
    "date",
    "boolean",
    "{type: decimal, precision: 15, scale: 2}",
    "long_text",
    "{type: choice, choices: [low, middle, high]}",
    "email",
    "datetime",
    "phone",
    "{type: percent, default: 10}",
    "url",
    "{type: choice, choices: [red, green, blue], default: red}",
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a model is.

    Attributes:
        entities: How many entities.
        fields: Fields of each that are written in the file; at least 9. The platform adds its own.
        roles: How many roles; each is granted a tenth of the entities, at most fifty.
        seed: Another one gives another model of this size.
    """

    entities: int = 500
    fields: int = 20
    roles: int = 10
    seed: int = 1


def model_sources(size: Size) -> tuple[Source, ...]:
    """Return the definition files of a model: one per entity, one with the roles."""
    entities = (Source("site", f"entities/{name(n)}.yaml", entity_text(n, size)) for n in range(size.entities))
    return (*entities, Source("site", "entities/roles.yaml", roles_text(size)))


def write_site(folder: Path, size: Size) -> None:
    """Write a site of this size: `xrm --site FOLDER serve` serves it."""
    for source in model_sources(size):
        path = folder / source.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.text, encoding="utf-8")
    (folder / "xrm.yaml").write_text("title: A large model\nplugins: []\n", encoding="utf-8")


def name(number: int) -> str:
    """Return the name of an entity."""
    return f"kind_{number:04d}"


def entity_text(number: int, size: Size) -> str:
    """Return the file of one entity."""
    chance = random.Random(size.seed * 100_003 + number)
    lines = [f"entity: {name(number)}", f"title: Kind {number}", f"plural: Kinds {number}", 'label: "{name} {code}"']
    lines += ["search: [name, code]", "fields:", *(f"  {line}" for line in _fields(number, size, chance))]
    lines += ["indexes: [[stage, due]]", "checks:"]
    lines.append('  - {when: "rate > 50", require: "amount != null", message: A high rate needs an amount.}')
    if number % 5 == 0:
        lines += _workflow()
    return "\n".join([*lines, *_views(number)]) + "\n"


def _fields(number: int, size: Size, chance: random.Random) -> Iterator[str]:
    group = number - number % GROUP
    parent = min(group + chance.randrange(GROUP), size.entities - 1)
    yield "name: {type: text, required: true, max: 120, index: true}"
    yield "code: text"
    yield "amount: {type: money}"
    yield "rate: {type: percent, default: 10}"
    yield "due: date"
    yield "stage: {type: choice, choices: [open, won, lost], default: open}"
    yield f"parent: {{type: relation, to: {name(parent)}}}"
    yield f"hub: {{type: relation, to: {name(0)}}}"
    yield 'worth: {type: money, formula: "amount * rate / 100"}'
    for extra in range(max(size.fields - len(ALWAYS), 0)):
        yield f"extra_{extra:02d}: {chance.choice(_KINDS)}"


def _workflow() -> Iterator[str]:
    yield "workflow:"
    yield "  field: state"
    yield "  states: {new: {}, working: {}, done: {final: won}, dropped: {final: lost}}"
    yield "  transitions:"
    yield "    start: {from: [new], to: working}"
    yield '    finish: {from: [working], to: done, ask: [amount], guard: "amount != null"}'
    yield "    drop: {from: [new, working], to: dropped}"


def _views(number: int) -> Iterator[str]:
    yield "views:"
    yield "  list: {columns: [name, code, amount, stage, hub.name], filters: [stage], sort: -due}"
    yield "  form: {sections: [{title: Main, fields: [name, code, amount, rate]}, {title: More, fields: [due, hub]}]}"
    yield "  late: {kind: list, columns: [name, due], filter: \"stage == 'open' && amount > 1000\"}"
    if number % 5 == 0:
        yield "  board: {by: state, sum: amount, card: [name, amount]}"


def roles_text(size: Size) -> str:
    """Return the file of the roles."""
    return "---\n".join(_role(number, size) for number in range(size.roles)) or "role: nobody\n"


def _role(number: int, size: Size) -> str:
    chance = random.Random(size.seed * 7 + number)
    chosen = sorted(chance.sample(range(size.entities), min(50, max(size.entities // 10, 1))))
    lines = [f"role: role_{number:02d}", "grants:"]
    lines.append(f"  - {{entity: [{', '.join(map(name, chosen))}], actions: [read, create, update]}}")
    lines.append(f"  - {{entity: {name(chosen[0])}, actions: [delete], rows: {{where: \"stage == 'open'\"}}}}")
    return "\n".join(lines) + "\n"
