"""Files to model: a folder of YAML becomes one immutable `Model`, or a list of everything that is wrong.

    sources = read_layer("site", Path("entities"), "entities/")
    model = build(sources)

Pure: no database, no web.
"""

from xrm.metadata.check import check
from xrm.metadata.codes import CODES, WARNINGS
from xrm.metadata.findings import Complaint, ExpressionCheck, ExpressionUse
from xrm.metadata.load import Definition, load_source, read_layer
from xrm.metadata.merge import Review, build, review

__all__ = [
    "CODES",
    "WARNINGS",
    "Complaint",
    "Definition",
    "ExpressionCheck",
    "ExpressionUse",
    "Review",
    "build",
    "check",
    "load_source",
    "read_layer",
    "review",
]
