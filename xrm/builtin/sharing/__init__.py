"""Sharing: one record is given to a person or a team, never beyond what the sharer holds of it."""

from xrm.builtin.sharing.rules import before_share
from xrm.kernel.hooks import Handlers, hookimpl


@hookimpl
def handlers(registry: Handlers) -> None:
    """Watch over what is written about shares."""
    registry.before_write("share", before_share)
