"""The trees: Syntax is what was written, the nodes below it what it means, with the type of every part.

The checker makes nodes of Syntax; the backends (python.py, sql.py) read nodes only. All of them are immutable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xrm.kernel.expression.types import BOOL, NULL, Path, Type

if TYPE_CHECKING:
    from xrm.kernel.expression.functions import Function


@dataclass(frozen=True, slots=True)
class Syntax:
    """One construct as it was written.

    `kind` is literal, name, list, call, not, negate, &&, ||, compare, in, arithmetic or if; `value` is the literal,
    the path, the function's name or the operator.
    """

    kind: str
    position: int
    args: tuple[Syntax, ...] = ()
    value: object = None
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; `value` is a Python value of `type`."""

    type: Type
    value: Any
    position: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """The value at a path."""

    type: Type
    path: Path
    position: int = 0

    @property
    def parameter(self) -> bool:
        """Whether it is the same for every record."""
        return self.path[0] == "user"


@dataclass(frozen=True, slots=True)
class Join:
    """A conjunction (``&&``) or disjunction (``||``) of two or more conditions."""

    operator: str
    terms: tuple[Node, ...]
    position: int = 0
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a condition."""

    term: Node
    position: int = 0
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Compare:
    """``== != < <= > >=``; the operands are of one type (numbers may differ in scale) or one of them is null."""

    operator: str
    left: Node
    right: Node
    position: int = 0
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class OneOf:
    """``x in [a, b]``."""

    item: Node
    choices: tuple[Node, ...]
    position: int = 0
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Within:
    """``x in tags``, where the container is of type texts or list."""

    item: Node
    container: Field
    position: int = 0
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class If:
    """``condition ? then : other``."""

    type: Type
    condition: Node
    then: Node
    other: Node
    position: int = 0


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``+ - * / %`` of numbers, ``+`` of texts, and ``+ -`` of dates; the types of the operands say which."""

    type: Type
    operator: str
    left: Node
    right: Node
    position: int = 0


@dataclass(frozen=True, slots=True)
class Negate:
    """``-x`` of a number."""

    type: Type
    operand: Node
    position: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a registered function."""

    type: Type
    function: Function
    args: tuple[Node, ...]
    position: int = 0


Node = Literal | Field | Join | Not | Compare | OneOf | Within | If | Arithmetic | Negate | Call


def children(node: Node) -> tuple[Node, ...]:
    """Return the operands of `node`, in the order they are written."""
    match node:
        case Literal() | Field():
            return ()
        case Join(terms=found) | Call(args=found):
            return found
        case Not(term=operand) | Negate(operand=operand):
            return (operand,)
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            return (left, right)
        case OneOf(item=item, choices=choices):
            return (item, *choices)
        case Within(item=item, container=container):
            return (item, container)
        case If(condition=condition, then=then, other=other):
            return (condition, then, other)


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything in it, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def literal_null(node: Node) -> bool:
    """Whether `node` is null whatever the record is, and was written so."""
    return node.type == NULL


def moment(node: Node) -> bool:
    """Whether `node` is now() or today()."""
    return isinstance(node, Call) and bool(node.function.moment)


def constant(node: Node) -> bool:
    """Whether `node` is the same for every record."""
    return all(part.parameter for part in walk(node) if isinstance(part, Field))
