"""Who acts on a site: users, units, teams, the traits that tie records to them, and how they sign in."""

from xrm.builtin.people.rules import before_user
from xrm.kernel.hooks import Handlers, hookimpl


@hookimpl
def handlers(registry: Handlers) -> None:
    """Watch over what is written about users."""
    registry.before_write("user", before_user)
