"""The limit: the same requests, hand-written with Litestar, asyncpg and msgspec for one table.

No sign-in, no policy, no change log, no metadata: what remains when everything that xrm adds is taken away.

    python -m benchmarks.limit DATABASE_URL PORT
"""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from decimal import Decimal
from typing import Annotated, Any

import asyncpg
import msgspec
import uvicorn
import uvloop
from litestar import Litestar, Request, Response, get, patch, post

from xrm.kernel.change import uuid7

COLUMNS = (
    "id, version, name, code, city, country, email, phone, website, industry, employees, revenue, rating, since,"
    " active, notes, stage, created_at, updated_at, label"
)
NOT_DELETED = "deleted_at IS NULL"


class Company(msgspec.Struct):
    """A row of the table, as it is answered."""

    id: uuid.UUID
    version: int
    name: str | None
    code: str | None
    city: str | None
    country: str | None
    email: str | None
    phone: str | None
    website: str | None
    industry: str | None
    employees: int | None
    revenue: Decimal | None
    rating: int | None
    since: dt.date | None
    active: bool | None
    notes: str | None
    stage: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    label: str | None


class NewCompany(msgspec.Struct):
    """What a create takes."""

    name: Annotated[str, msgspec.Meta(max_length=200)]
    code: str | None = None
    city: str | None = None
    country: str | None = None
    employees: int | None = None
    revenue: Decimal | None = None


class Renamed(msgspec.Struct):
    """What an update takes."""

    city: str


encoder = msgspec.json.Encoder(decimal_format="string")
new_decoder = msgspec.json.Decoder(NewCompany)
renamed_decoder = msgspec.json.Decoder(Renamed)


def _json(data: Any, status: int = 200) -> Response[bytes]:
    return Response(encoder.encode(data), status_code=status, media_type="application/json")


@get("/get/{key:uuid}")
async def get_one(key: uuid.UUID, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return one row."""
    row = await request.app.state.pool.fetchrow(f"SELECT {COLUMNS} FROM company WHERE id = $1 AND {NOT_DELETED}", key)
    return _json(Company(*row))


@get("/list")
async def list_rows(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return the first 50 rows by creation."""
    rows = await request.app.state.pool.fetch(
        f"SELECT {COLUMNS} FROM company WHERE {NOT_DELETED} ORDER BY created_at NULLS FIRST, id LIMIT 51"
    )
    return _json({"records": [Company(*row) for row in rows[:50]], "next": None})


@get("/filter")
async def filter_rows(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return 50 rows of one country with a large revenue, by name."""
    rows = await request.app.state.pool.fetch(
        f"SELECT {COLUMNS} FROM company WHERE {NOT_DELETED} AND country = $1 AND revenue > $2"
        " ORDER BY name NULLS FIRST, id LIMIT 51",
        "DE",
        Decimal(500),
    )
    return _json({"records": [Company(*row) for row in rows[:50]], "next": None})


@post("/create")
async def create(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Insert a row and return it."""
    new = new_decoder.decode(await request.body())
    now = dt.datetime.now(dt.UTC)
    row = await request.app.state.pool.fetchrow(
        "INSERT INTO company (id, version, name, code, city, country, employees, revenue, created_at, updated_at,"
        f" label) VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8, $8, $2) RETURNING {COLUMNS}",
        uuid7(),
        new.name,
        new.code,
        new.city,
        new.country,
        new.employees,
        new.revenue,
        now,
    )
    return _json(Company(*row), 201)


@patch("/update/{key:uuid}")
async def update(key: uuid.UUID, request: Request[Any, Any, Any]) -> Response[bytes]:
    """Change one column of a row, with a version, and return the row."""
    new = renamed_decoder.decode(await request.body())
    row = await request.app.state.pool.fetchrow(
        f"UPDATE company SET city = $2, version = version + 1, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}",
        key,
        new.city,
    )
    return _json(Company(*row))


async def _nothing(connection: asyncpg.Connection) -> None:
    """Leave a connection as it is when it goes back to the pool."""


async def main(url: str, port: int) -> None:
    """Serve until killed."""
    async with asyncpg.create_pool(url, min_size=4, max_size=10, reset=_nothing) as pool:
        app = Litestar([get_one, list_rows, filter_rows, create, update], openapi_config=None, logging_config=None)
        app.state.pool = pool
        await uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error", access_log=False)).serve()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
