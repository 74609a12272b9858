"""xrm: a metadata kernel that makes a running business system of YAML.

This is the public face: all that a plugin may import. It loads neither Piccolo nor Litestar.
"""

from xrm.builtin.transfer.reading import Row, read_rows
from xrm.errors import Conflict, Forbidden, Invalid, Issue, Malformed, NotFound, XrmError
from xrm.kernel.change import SYSTEM, Actor, Change
from xrm.kernel.fieldtypes.base import FieldType, Parsing, Part, Refused
from xrm.kernel.hooks import Action, Command, Context, Handlers, Importer, ImportReport, hookimpl
from xrm.kernel.jobs.kind import Hopeless, JobKind, Later, NewJob
from xrm.kernel.jobs.run import JobRun
from xrm.kernel.store.schema import ColumnType
from xrm.kernel.values import Lookup, Money, Ref
from xrm.metadata.model import Choice, Field
from xrm.metadata.types import TypeRules

__version__ = "0.1.0"

__all__ = [
    "SYSTEM",
    "Action",
    "Actor",
    "Change",
    "Choice",
    "ColumnType",
    "Command",
    "Conflict",
    "Context",
    "Field",
    "FieldType",
    "Forbidden",
    "Handlers",
    "Hopeless",
    "ImportReport",
    "Importer",
    "Invalid",
    "Issue",
    "JobKind",
    "JobRun",
    "Later",
    "Lookup",
    "Malformed",
    "Money",
    "NewJob",
    "NotFound",
    "Parsing",
    "Part",
    "Ref",
    "Refused",
    "Row",
    "TypeRules",
    "XrmError",
    "__version__",
    "hookimpl",
    "read_rows",
]
