"""Switches of a site that hold for all its processes, kept in its database: for now, whether it is read-only."""

from __future__ import annotations

from datetime import datetime

from xrm.kernel.store.schema import ColumnType
from xrm.kernel.store.sql import Binder
from xrm.kernel.store.store import Store

READ_ONLY = "read_only"
MOST_REASON = 300  # characters
_TEXT, _MOMENT = ColumnType("text"), ColumnType("datetime")


async def read_switch(store: Store, name: str) -> str:
    """Return why a switch is on, or empty when it is off."""
    binder = Binder(store.dialect)
    rows = await store.fetch(f"SELECT reason FROM xrm_switch WHERE name = {binder.bind(name, _TEXT)}", binder.params)
    return str(rows[0][0]) if rows else ""


async def turn_on(store: Store, name: str, reason: str, now: datetime) -> None:
    """Turn a switch on, for this reason, and tell all processes."""
    binder = Binder(store.dialect)
    cells = (binder.bind(name, _TEXT), binder.bind(reason[:MOST_REASON], _TEXT), binder.bind(now, _MOMENT))
    text = (
        f"INSERT INTO xrm_switch (name, reason, at) VALUES ({', '.join(cells)})"
        " ON CONFLICT (name) DO UPDATE SET reason = excluded.reason, at = excluded.at"
    )
    async with store.transaction():
        await store.execute(text, binder.params)
        await store.announce()


async def turn_off(store: Store, name: str) -> None:
    """Turn a switch off, and tell all processes."""
    binder = Binder(store.dialect)
    async with store.transaction():
        await store.execute(f"DELETE FROM xrm_switch WHERE name = {binder.bind(name, _TEXT)}", binder.params)
        await store.announce()
