"""The way back to an earlier generation: its definitions and ids again, and the values that were kept since.

`propose_rollback` is to a rollback what `plan.propose` is to an apply; what it gives is assessed, sealed, consented to
and carried out in the same way (apply.py), so what a rollback loses is kept in its turn, and it can be rolled back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from xrm.errors import Issue
from xrm.kernel.migration.journal import Generation
from xrm.kernel.migration.physical import Ids, base_id, physical, settle
from xrm.kernel.migration.plan import SLOW, Plan, Step, plan
from xrm.kernel.migration.restore import Chain, Restores, restores
from xrm.kernel.store.schema import Schema
from xrm.kernel.store.system import SYSTEM
from xrm.kernel.values import Parsing
from xrm.metadata.model import Model

Purged = Mapping[tuple[str, str], int]  # (table id, column id or empty) → how many values were purged


def propose_rollback(
    model: Model, target: Generation, current: Generation | None, *, purged: Purged, parsing: Parsing | None = None
) -> Plan:
    """Return the plan from the generation in force back to `target`.

    Args:
        model: What the sources of `target` define.
        target: The generation to go back to.
        current: The one in force.
        purged: What was kept since and is no longer there.
        parsing: How defaults are read.

    Raises:
        ModelError: the model has no tables that could be made.
    """
    current = current or target
    ids = Ids(target.ids.entities, target.ids.kept, max(current.ids.last, target.ids.last))
    old = current.full_schema
    ours = {id: table for id, table in old.tables.items() if id not in current.schema.tables}
    wanted = physical(model, ids, parsing)
    base = Schema({**target.schema.tables, **ours})
    aim = settle(Schema({**SYSTEM.tables, **wanted.tables}), base, ids)
    back = restores(old, aim, target.number)
    gone = {table.id for table in back.tables.values()}
    new = Schema({id: table for id, table in aim.tables.items() if id not in gone})
    made = plan(Schema({id: table for id, table in old.tables.items() if id not in gone}), new)
    steps = tuple(_Wording(back, purged, new).steps(made.steps))
    same = current.hash == target.hash and current.ids == ids
    issues = tuple(i for i in made.issues if not _may_come_back(i, back))
    return Plan(old, new, steps, issues, current.number, ids, model.sources, same, restores=back)


def _may_come_back(issue: Issue, back: Restores) -> bool:
    """Whether a type that cannot be converted to is no trouble, since the values of before were kept."""
    return issue.code == "no_conversion" and any(issue.path.endswith(f".{c.new.name}") for c in back.chains)


class _Wording:
    """The steps of a plan back, in the words of one who gets something back."""

    def __init__(self, back: Restores, purged: Purged, new: Schema) -> None:
        self.back, self.purged, self.new = back, purged, new
        self.chains: dict[tuple[str, str], list[Chain]] = {}
        for chain in back.chains:
            self.chains.setdefault((chain.table, base_id(chain.new.id)), []).append(chain)

    def steps(self, made: Iterable[Step]) -> Iterator[Step]:
        told: set[tuple[str, str]] = set()
        for step in made:
            key = (step.table, base_id(step.target))
            if step.kind == "create_table":
                yield self._table(step)
            elif step.kind in ("add_field", "change_type"):
                told.add(key)
                yield self._field(step, key)
            else:
                yield step
        for key, chains in self.chains.items():
            if key not in told:
                yield self._values(key, chains[0])

    def _table(self, step: Step) -> Step:
        if step.table in self.back.tables:
            text = f"Bring {step.entity} back with its records."
            return dataclasses.replace(step, kind="restore_table", description=text)
        lost = self.purged.get((step.table, ""))
        return self._told(step, f"its {lost} records were purged") if lost else step

    def _field(self, step: Step, key: tuple[str, str]) -> Step:
        path = f"{step.entity}.{step.field}"
        if key in self.chains:
            text = f"Bring {path} back with its values."
            if step.kind == "change_type":
                text = (
                    f"{step.description.removesuffix('.')}; values that were not changed since become what they were."
                )
            kind = "restore_field" if step.kind == "add_field" else "restore_type"
            return dataclasses.replace(step, kind=kind, description=text, severity=SLOW)
        lost = self.purged.get(key)
        return self._told(step, f"its {lost} values were purged") if lost else step

    @staticmethod
    def _told(step: Step, text: str) -> Step:
        return dataclasses.replace(step, description=f"{step.description.removesuffix('.')}; {text}.")

    def _values(self, key: tuple[str, str], chain: Chain) -> Step:
        table = self.new.tables[key[0]]
        name = next((c.name for c in table.columns if c.id == key[1]), chain.new.name)
        text = f"Give {table.name}.{name} the values it had, where they were not changed since."
        return Step("restore_values", table.name, name, text, SLOW, table.id, chain.new.id)
