"""A believable company for trying things out and for measuring, and open data for the import."""

from __future__ import annotations

import xrm

from . import command


@xrm.hookimpl
def commands() -> list[xrm.Command]:
    """Return the commands of the command line."""
    return [
        xrm.Command("demo", "fill an empty site with a demo company", command.demo, command.demo_arguments),
        xrm.Command(
            "open-data", "write an open data set as CSV files to import", command.open_data, command.open_data_arguments
        ),
    ]
