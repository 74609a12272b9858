"""Indexes of big tables on PostgreSQL: made after the change of the model, by a job, while others read and write.

Inside of the transaction an index of a million records keeps everybody from the table for seconds. A unique one stays
inside all the same: until it is there, nobody could promise what it is for. What a job left half made when its process
was killed is dropped and made again.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from xrm.kernel.jobs.kind import JobKind, NewJob
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.jobs.table import JobTable
from xrm.kernel.migration.ddl import create_index, index_name, indexes_to_create
from xrm.kernel.migration.diff import TableChange, compare
from xrm.kernel.migration.journal import current
from xrm.kernel.store.schema import Index, Schema, Table
from xrm.kernel.store.sql import quote
from xrm.kernel.store.store import Store

BIG = 50_000  # records from which on an index is made afterwards
KIND = "schema.indexes"
_MADE = """SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace"""

Late = frozenset[tuple[str, str]]  # (id of the table, id of the index)


async def put_off(store: Store, old: Schema, new: Schema) -> Late:
    """Return the indexes of a change that are made after it; those of tables that are new are made at once."""
    if store.dialect.name != "postgresql":
        return frozenset()
    found: set[tuple[str, str]] = set()
    for change in compare(old, new).changed:
        added = [i for i in indexes_to_create(change) if not i.unique and _may_wait(store, new, change, i)]
        if added and await _is_big(store, change.old.name):
            found |= {(change.new.id, i.id) for i in added}
    return frozenset(found)


def _may_wait(store: Store, new: Schema, change: TableChange, index: Index) -> bool:
    statements = create_index(change.new, index, new, store.dialect)
    return all(text.startswith("CREATE INDEX ") for text in statements)


async def _is_big(store: Store, table: str) -> bool:
    rows = await store.fetch(f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {BIG + 1}) AS xrm_counted")
    return int(rows[0][0]) > BIG


async def ask_for(store: Store, late: Late, at: datetime) -> None:
    """Ask for the indexes, in the transaction of the change."""
    if late:
        await JobTable(store).enqueue(NewJob(KIND, unique=KIND, serial=KIND, total=len(late)), at)


async def missing(store: Store, schema: Schema) -> Sequence[tuple[Table, Index]]:
    """Return the indexes of a PostgreSQL database that are not there, or only half made."""
    made = {row[0] for row in await store.fetch(_MADE) if row[1]}
    pairs = ((table, index) for table in schema.tables.values() for index in table.indexes if not index.unique)
    return [(table, index) for table, index in pairs if index_name(table.id, index) not in made]


async def is_waiting(store: Store, tables: Container[str]) -> bool:
    """Whether a job that makes indexes is asked for, or at work; `tables` are the names of those there are."""
    return "xrm_job" in tables and bool(await JobTable(store).waiting(KIND))


async def make_missing(run: JobRun) -> None:
    """Make what is missing, index by index; the model in force says what that is."""
    store = run.kernel.store
    generation = await current(store)
    if generation is None or store.dialect.name != "postgresql":
        return
    wanted = await missing(store, generation.full_schema)
    for done, (table, index) in enumerate(wanted):
        await run.progress(done, len(wanted), f"index of {table.name}")
        await store.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quote(index_name(table.id, index))}")
        for text in create_index(table, index, generation.full_schema, store.dialect):
            await store.execute(text.replace("CREATE INDEX ", "CREATE INDEX CONCURRENTLY ", 1))


INDEXES = JobKind(KIND, "Make indexes of big tables", make_missing, queue=KIND, at_once=1, attempts=20)
