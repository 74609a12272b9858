"""xrm: a metadata kernel that makes a running business system of YAML.

This is the public face: all that a plugin may import. It loads neither Piccolo nor Litestar.
"""

from xrm.builtin.transfer.reading import Row, read_rows
from xrm.errors import Conflict, Forbidden, Invalid, Issue, Malformed, NotFound, XrmError
from xrm.kernel.change import SYSTEM, Actor, Change
from xrm.kernel.hooks import Action, Command, Context, Handlers, Importer, ImportReport, hookimpl
from xrm.kernel.values import Lookup, Money, Ref
from xrm.metadata.model import Choice, Field

__version__ = "0.1.0"

__all__ = [
    "SYSTEM",
    "Action",
    "Actor",
    "Change",
    "Choice",
    "Command",
    "Conflict",
    "Context",
    "Field",
    "Forbidden",
    "Handlers",
    "ImportReport",
    "Importer",
    "Invalid",
    "Issue",
    "Lookup",
    "Malformed",
    "Money",
    "NotFound",
    "Ref",
    "Row",
    "XrmError",
    "__version__",
    "hookimpl",
    "read_rows",
]
