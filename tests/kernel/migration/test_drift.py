"""What `xrm doctor` finds in a database that somebody changed by hand, and what it repairs."""

from __future__ import annotations

import pytest

from tests.kernel.migration.planning import agree, cells, entity, field, look, model, put
from xrm.kernel.change import SYSTEM
from xrm.kernel.migration.apply import apply
from xrm.kernel.migration.drift import Diagnosis, examine, repair
from xrm.kernel.migration.journal import Generation
from xrm.kernel.store.store import Store

MODEL = model(
    entity("party", field("name", unique=True), field("born", "date"), field("note", index=True)),
    entity("deal", field("of", "relation", to="party"), field("n", "integer", required=True)),
)


@pytest.fixture
async def generation(store: Store) -> Generation:
    made = (await apply(store, MODEL, SYSTEM)).generation
    ann = await put(store, made, "party", name="Ann")
    await put(store, made, "deal", of=ann, n=1)
    return made


def codes(found: Diagnosis) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in found.findings]


async def index_of(store: Store, table: str, part: str) -> str:
    return next(name for name in (await look(store))[table]["indexes"] if part in name)


async def test_a_healthy_database_has_no_findings(store: Store, generation: Generation):
    found = await examine(store)
    assert codes(found) == []
    assert found.repairs(store) == ()


async def test_missing_indexes_come_back_and_stray_ones_go(store: Store, generation: Generation):
    await store.execute(f'DROP INDEX "{await index_of(store, "party", "uq")}"')
    await store.execute('CREATE INDEX "xrm_stray" ON "party" ("note")')
    await store.execute('CREATE INDEX "by_hand" ON "party" ("note")')
    found = await examine(store)
    assert codes(found) == [
        ("party", "drift_missing_index"),
        ("party", "drift_extra_index"),
        ("party", "drift_extra_index"),
    ]
    assert any("CREATE UNIQUE INDEX" in sql for sql in found.repairs(store))
    assert codes(await repair(store)) == [("party", "drift_extra_index")]
    await store.execute('DROP INDEX "by_hand"')
    await agree(store)


async def test_a_missing_column_comes_back_empty(store: Store, generation: Generation):
    await store.execute('ALTER TABLE "party" DROP COLUMN "born"')
    assert codes(await examine(store)) == [("party.born", "drift_missing_column")]
    assert codes(await repair(store)) == []
    await agree(store)
    assert await cells(store, generation, "party", "name", "born") == [("Ann", None)]


async def test_a_missing_table_comes_back_empty(store: Store, generation: Generation):
    await store.execute('DROP TABLE "deal"')
    assert codes(await examine(store)) == [("deal", "drift_missing_table")]
    assert codes(await repair(store)) == []
    await agree(store)


async def test_what_is_not_ours_is_told_and_left(store: Store, generation: Generation):
    await store.execute('CREATE TABLE "mine" ("x" text)')
    await store.execute('ALTER TABLE "party" ADD COLUMN "extra" text')
    told = [("party.extra", "drift_extra_column"), ("mine", "drift_extra_table")]
    assert codes(await examine(store)) == told
    assert codes(await repair(store)) == told


async def test_null_type_and_key(store: Store, generation: Generation):
    if store.dialect.name == "postgresql":
        key = (await store.fetch("SELECT conname FROM pg_constraint WHERE contype = 'f'"))[0][0]
        await store.execute(f'ALTER TABLE "deal" DROP CONSTRAINT "{key}", ALTER COLUMN "n" DROP NOT NULL')
        await store.execute('ALTER TABLE "party" ALTER COLUMN "note" TYPE varchar(9)')
    else:
        text = (await store.fetch("SELECT sql FROM sqlite_schema WHERE name = 'deal'"))[0][0]
        start = text.index(" CONSTRAINT", text.index('"of"'))
        bare = text[:start] + text[text.index("IMMEDIATE") + len("IMMEDIATE") :]
        indexes = [
            r[0]
            for r in await store.fetch(
                "SELECT sql FROM sqlite_schema WHERE tbl_name = 'deal' AND sql LIKE 'CREATE INDEX%'"
            )
        ]
        bare = bare.replace('"n" INTEGER NOT NULL', '"n" INTEGER').replace('"deal"', '"deal_2"', 1)
        await store.execute(bare)
        await store.execute('INSERT INTO "deal_2" SELECT * FROM "deal"')
        await store.execute('DROP TABLE "deal"')
        await store.execute('ALTER TABLE "deal_2" RENAME TO "deal"')
        for sql in indexes:
            await store.execute(sql)
    found = codes(await examine(store))
    assert ("deal.n", "drift_null") in found
    assert ("deal", "drift_missing_key") in found
    after = codes(await repair(store))
    assert after == ([("party.note", "drift_type")] if store.dialect.name == "postgresql" else [])
    assert await cells(store, generation, "deal", "n") == [1]


async def test_references_to_nowhere_and_damaged_cells_are_counted(store: Store, generation: Generation):
    if store.dialect.name == "postgresql":
        await store.execute('ALTER TABLE "party" DISABLE TRIGGER ALL')
        await store.execute('DELETE FROM "party"')
        expect = [("deal.of", "dangling")]
    else:
        await store.execute("""UPDATE "party" SET "born" = 'soon'""")
        async with store.schema_transaction():
            await store.execute("PRAGMA defer_foreign_keys = 1")
        expect = [("party.born", "damaged_cell")]
    found = await examine(store)
    assert codes(found) == expect
    assert found.findings[0].message.startswith("1 ")
