"""What comes back by a plan, in numbers, before anything is touched. It reads only."""

from __future__ import annotations

import dataclasses

from xrm.errors import Issue
from xrm.kernel.migration.physical import base_id
from xrm.kernel.migration.plan import Plan, Step
from xrm.kernel.migration.restore import Chain, Restores
from xrm.kernel.migration.restoring import converted, fits, pages, way
from xrm.kernel.store.schema import Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store


async def assess_restores(store: Store, made: Plan, back: Restores) -> Plan:
    """Return the plan with the numbers of what comes back, and with what cannot among its issues."""
    assessor = _Assessor(store, made, back)
    steps = [await assessor.step(step) for step in made.steps]
    return dataclasses.replace(made, steps=tuple(steps), issues=(*made.issues, *assessor.issues))


class _Assessor:
    def __init__(self, store: Store, made: Plan, back: Restores) -> None:
        self.store, self.plan, self.back = store, made, back
        self.issues: list[Issue] = []

    async def step(self, step: Step) -> Step:
        if step.kind == "restore_table":
            rows = await self._count(f"SELECT count(*) FROM {quote(self.back.tables[step.table].name)}")
            return dataclasses.replace(step, rows=rows, affected=rows)
        if not step.kind.startswith("restore_"):
            return step
        found = [c for c in self.back.chains if c.table == step.table and base_id(c.new.id) == base_id(step.target)]
        rows = await self._count(f"SELECT count(*) FROM {quote(self._name(step.table))}")
        affected = 0
        for chain in found:
            came = await self._chain(step, chain, rows)
            affected = max(affected, came)
        return dataclasses.replace(step, rows=rows, affected=affected)

    def _name(self, table: str) -> str:
        found = self.plan.old.tables.get(table) or self.back.tables[table]
        return found.name

    async def _chain(self, step: Step, chain: Chain, rows: int) -> int:
        """Return how many values come back; add what does not fit to the issues."""
        source = way(self.store, chain, self._present(chain))
        last = len(chain.links)
        counted = await self.store.fetch(
            f"SELECT xrm_at, count(*), count(xrm_value) FROM ({source}) AS xrm_way GROUP BY xrm_at"
        )
        numbers = {int(at): (int(every), int(filled)) for at, every, filled in counted}
        if chain.now is None:
            came = sum(filled for _, filled in numbers.values())
            empty = rows - came
        else:
            came = sum(every for at, (every, _) in numbers.items() if at < last)
            empty = sum(every - filled for every, filled in numbers.values())
        await self._refuse_bad(step, chain, source)
        fill = chain.new.backfill if chain.new.backfill is not None else chain.new.default
        if not chain.new.null and empty and fill is None and base_id(chain.new.id) == chain.new.id:
            self._block(
                step,
                "needs_value",
                f"{_records(empty)} would have no value: they were made or emptied since.",
                "delete them or fill the field in a newer generation; or go back to another one",
            )
        return came

    async def _refuse_bad(self, step: Step, chain: Chain, source: str) -> None:
        bad, samples = 0, list[str]()
        for at in converted(chain):
            async for page in pages(self.store, chain, source, at):
                refused = [str(v) for _, v in page if not fits(chain, at, v)]
                bad, samples = bad + len(refused), [*samples, *refused[: 3 - len(samples)]]
        if bad:
            shown = ", ".join(repr(text[:40]) for text in samples)
            self._block(
                step,
                "cannot_convert",
                f"{_records(bad)} were changed since and cannot be converted back, like {shown}.",
                "correct these values first",
            )

    def _present(self, chain: Chain) -> Table:
        return self.plan.old.tables.get(chain.table) or self.back.tables[chain.table]

    def _block(self, step: Step, code: str, message: str, hint: str) -> None:
        self.issues.append(Issue(f"{step.entity}.{step.field}", code, message, hint))

    async def _count(self, sql: str) -> int:
        return int((await self.store.fetch(sql))[0][0])


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
