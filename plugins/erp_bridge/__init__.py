"""ERP bridge: links between records here and over there, and a manual import of orders from a file."""

from __future__ import annotations

import xrm

from .importer import OrderImporter


@xrm.hookimpl
def importers() -> list[xrm.Importer]:
    """Return the importers of foreign formats."""
    return [OrderImporter()]
