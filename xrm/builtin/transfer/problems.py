"""The file of refused rows: as they were, with the reason, to be mended and imported again."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from xrm.builtin.transfer.formulas import guarded
from xrm.builtin.transfer.importing import Verdict
from xrm.builtin.transfer.reading import ERROR_COLUMNS, Table


class ProblemFile:
    """Takes the verdicts of an import and writes the refused rows: JSON as JSON lines, anything else as CSV."""

    def __init__(self, out: IO[str], table: Table) -> None:
        self._out, self._csv = out, table.layout.format in ("csv", "xlsx", "vcf")
        self._writer = csv.writer(out, delimiter=table.layout.delimiter)
        self._header = tuple(name for name in table.header if name not in ERROR_COLUMNS)
        if self._csv:
            self._writer.writerow((*self._header, *ERROR_COLUMNS))

    def add(self, verdict: Verdict) -> None:
        """Write the row if it was refused."""
        if verdict.outcome != "refused":
            return
        values = {name: value for name, value in verdict.row.values.items() if name not in ERROR_COLUMNS}
        if self._csv:
            self._write_cells(values, verdict)
        else:
            said = dict(zip(ERROR_COLUMNS, (verdict.row.number, verdict.problem), strict=True))
            self._out.write(json.dumps({**values, **said}, ensure_ascii=False, default=_number) + "\n")

    def _write_cells(self, values: Mapping[str, Any], verdict: Verdict) -> None:
        cells = [guarded(str(values.get(name, ""))) for name in self._header]
        clean = [cell.encode("utf-8", "replace").decode() for cell in cells]  # bytes that fitted no encoding
        self._writer.writerow((*clean, verdict.row.number, guarded(verdict.problem)))


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)
