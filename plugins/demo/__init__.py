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
            "samples", "write open sample data as CSV files to import", command.samples, command.samples_arguments
        ),
    ]
