"""What a function of the language is; a plugin adds its own to the table with `with_functions`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from xrm.kernel.expression.functions_sql import Native, Writer
from xrm.kernel.expression.tree import Node
from xrm.kernel.expression.types import Type

Returns = Callable[[Sequence[Node]], Type]


class Mismatch(Exception):
    """Raised by `Function.returns`: the argument `index` is not what is wanted."""

    def __init__(self, index: int, reason: str) -> None:
        self.index, self.reason = index, reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language.

    Attributes:
        name: As it is written.
        summary: One sentence for the reference.
        parameters: Per parameter the names of the types it takes.
        returns: Type of the result, from the arguments; may raise Mismatch.
        python: The value, from the values of the arguments.
        postgresql: SQL, which must be null when an argument is (unless `nulls` is ``given``).
        sqlite: SQL for arguments that are columns or constants; else, and if None, `python` computes it.
        optional: How many of the last parameters may be left out.
        repeated: Whether the last parameter may be given again and again; all arguments are brought to one type.
        nulls: ``strict``: null (or false) when an argument is null; ``given``: `python` is given None.
        moment: ``now`` or ``today`` for a function that is a parameter of the evaluation.
        members: ``||`` or ``&&`` for a test of one set of texts: any, or all, of the further values are in it;
            ``under`` for a test of a place in a hierarchy.
    """

    name: str
    summary: str
    parameters: tuple[tuple[str, ...], ...]
    returns: Returns
    python: Callable[..., Any]
    postgresql: Writer
    sqlite: Native | None = None
    optional: int = 0
    repeated: bool = False
    nulls: str = "strict"
    moment: str = ""
    members: str = ""


def with_functions(base: Mapping[str, Function], added: Iterable[Function]) -> Mapping[str, Function]:
    """Return `base` with `added` functions.

    Raises:
        ValueError: there is a function of that name already.
    """
    table = dict(base)
    for function in added:
        if function.name in table:
            raise ValueError(f"there is a function {function.name} already")
        table[function.name] = function
    return MappingProxyType(table)


def always(type: Type) -> Returns:
    """Return what gives every call the same type."""
    return lambda args: type
