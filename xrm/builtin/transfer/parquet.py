"""Parquet files for analysis: every column with its type, amounts exact. Needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xrm.builtin.transfer.flat import Column
from xrm.errors import Issue, Malformed
from xrm.metadata.model import Entity

DIGITS, SCALE = 38, 12  # of a decimal column: as many places as any field may have

_READ: MappingProxyType[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "int": int,
        "decimal": Decimal,
        "bool": bool,
        "date": date.fromisoformat,
        "time": time.fromisoformat,
        "datetime": datetime.fromisoformat,
        "text": str,
    }
)


class ParquetFile:
    """Writes rows as one row group per page. Call from a thread."""

    def __init__(self, path: Path, entity: Entity, columns: Sequence[Column]) -> None:
        """Begin a file.

        Args:
            path: Where it is written.
            entity: Named in the file's metadata.
            columns: Its schema.

        Raises:
            Malformed: pyarrow is not installed.
        """
        self._arrow = _pyarrow()
        kinds = _kinds(self._arrow)
        fields = [(column.name, kinds[column.kind]) for column in columns]
        self._schema = self._arrow.schema(fields, metadata={"entity": entity.name})
        self._readers = [_READ[column.kind] for column in columns]
        self._out = self._arrow.parquet.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows after those that are there."""
        cells = [
            [None if row[position] is None else read(row[position]) for row in rows]
            for position, read in enumerate(self._readers)
        ]
        arrays = [self._arrow.array(c, type=f.type) for c, f in zip(cells, self._schema, strict=True)]
        self._out.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Finish the file."""
        self._out.close()


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, and without types
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError:
        hint = "pip install 'xrm[parquet]'"
        raise Malformed(issues=[Issue("format", "not_installed", "Parquet needs pyarrow.", hint)]) from None
    return pa


def _kinds(arrow: Any) -> dict[str, Any]:
    return {
        "int": arrow.int64(),
        "decimal": arrow.decimal128(DIGITS, SCALE),
        "bool": arrow.bool_(),
        "date": arrow.date32(),
        "time": arrow.time64("us"),
        "datetime": arrow.timestamp("us", tz="UTC"),
        "text": arrow.string(),
    }
