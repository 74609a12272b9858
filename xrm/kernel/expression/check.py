"""Syntax → typed nodes: every name known, every operator given what it works on.

Constants are folded (``-5``, ``2 * 500``), so that a comparison with them stays one an index can serve. What folds to
null or to a date is left as it was written: the constant alone would not say of which type it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

from xrm.kernel.expression import arithmetic, constants
from xrm.kernel.expression.error import ExpressionError
from xrm.kernel.expression.function import Function, Mismatch
from xrm.kernel.expression.functions import MIDNIGHT
from xrm.kernel.expression.python import closure
from xrm.kernel.expression.tree import (
    Arithmetic,
    Call,
    Compare,
    Field,
    If,
    Join,
    Literal,
    Negate,
    Node,
    Not,
    OneOf,
    Syntax,
    Within,
    children,
    walk,
)
from xrm.kernel.expression.types import (
    BOOL,
    COUNT,
    DATETIME,
    INT,
    NULL,
    TEXT,
    TEXTS,
    UNDER,
    UUID,
    Compounds,
    Hierarchies,
    Path,
    Scope,
    Type,
    common,
    decimal,
    list_of,
)

MAX_FIELDS = 100  # different fields and tests for membership in one expression: SQLite passes at most 127 arguments
MAX_ARGUMENTS = 100  # of one call, for the same reason

_OF_LISTS = frozenset({"size", "isEmpty"})  # functions that also take a list of records
_FOLDED = frozenset({"int", "decimal", "text", "bool"})
_SUGGESTED_LENGTH = 80  # longer names are not compared with the known ones


class Checker:
    """Checks one expression against the names of a scope and a table of functions."""

    def __init__(self, source: str, scope: Scope, functions: Mapping[str, Function]) -> None:
        self._source, self._scope, self._functions = source, scope, functions

    def check(self, tree: Syntax, expected: Type | None = None) -> Node:
        """Return the typed tree; its type is one that `expected` can be made of.

        Raises:
            ExpressionError: a name is unknown or a type does not fit.
        """
        node = self._node(tree)
        if node.type.name == "list":
            self._refuse(tree.position, "a list is only possible after 'in'")
        fields = {n.path for n in walk(node) if isinstance(n, Field)}
        if len(fields) + sum(isinstance(n, Within) for n in walk(node)) > MAX_FIELDS:
            self._refuse(0, f"more than {MAX_FIELDS} different fields", "limit")
        return node if expected is None else self._expected(node, expected)

    def _expected(self, node: Node, expected: Type) -> Node:
        node = self._converted(node, expected)
        same = node.type == expected or (node.type == NULL and expected != BOOL)
        if not same and not (node.type.numeric and expected.name == "decimal"):
            hint = "round() makes a whole number" if node.type.numeric and expected == INT else ""
            self._refuse(node.position, f"this must be {expected}, but is {node.type}", hint=hint)
        return node

    def _refuse(self, position: int, reason: str, kind: str = "type", hint: str = "") -> NoReturn:
        raise ExpressionError(reason, self._source, position, kind, hint)

    def _node(self, tree: Syntax) -> Node:
        return folded(self._CHECKS[tree.kind](self, tree))

    def _nodes(self, trees: Iterable[Syntax]) -> tuple[Node, ...]:
        return tuple(map(self._node, trees))

    # --- leaves

    def _literal(self, tree: Syntax) -> Node:
        return Literal(_type_of_constant(tree.value), tree.value, tree.position)

    def _name(self, tree: Syntax) -> Node:
        path = _path(tree)
        type = self._scope.type_of(path)
        if type is None:
            self._refuse(tree.position, f"unknown field {'.'.join(path)!r}", "unknown_field", self._suggest_name(path))
        return Field(type, path, tree.position)

    def _suggest_name(self, path: Path) -> str:
        name = ".".join(path)
        if len(path) == 1 and name in self._functions:
            return f"the function is called with parentheses: {name}()"
        return _did_you_mean(name, self._scope.names())

    # --- conditions

    def _condition(self, tree: Syntax) -> Node:
        node = self._node(tree)
        if node.type != BOOL:
            self._refuse(tree.position, f"expected a condition, found {node.type}", hint=_condition_hint(node))
        return node

    def _join(self, tree: Syntax) -> Node:
        first, *others = map(self._condition, tree.args)
        leading = first.terms if isinstance(first, Join) and first.operator == tree.kind else (first,)
        return Join(tree.kind, (*leading, *others), tree.position)  # as the parser joins a || b || c

    def _not(self, tree: Syntax) -> Node:
        return Not(self._condition(tree.args[0]), tree.position)

    def _if(self, tree: Syntax) -> Node:
        condition = self._condition(tree.args[0])
        type, (then, other) = self._agree(tree, self._nodes(tree.args[1:]), "choose between")
        if type in (TEXTS, Type("json")):
            self._refuse(tree.position, f"cannot choose between {type} and another")
        return If(type, condition, then, other, tree.position)

    def _compare(self, tree: Syntax) -> Node:
        sign = str(tree.value)
        type, (left, right) = self._agree(tree, self._nodes(tree.args), "compare")
        ordered = sign not in ("==", "!=")
        if NULL in (left.type, right.type):
            if ordered:
                self._refuse(tree.position, "null has no order", hint="compare with == null or != null")
            return self._missing(sign, left, right, tree.position)
        if type in (TEXTS, Type("json")):
            self._refuse(tree.position, f"{type} can only be compared with null", hint=_texts_hint(type))
        elif ordered and type.name in ("bool", "uuid"):
            self._refuse(tree.position, f"{type} has no order", hint="compare with == or !=")
        return Compare(sign, left, right, tree.position)

    def _missing(self, sign: str, left: Node, right: Node, position: int) -> Node:
        """Return a comparison with null; of a value of several parts, any of which will do, of all of them."""
        whole = Compare(sign, left, right, position)
        field = left if isinstance(left, Field) else right
        if not isinstance(field, Field) or not isinstance(self._scope, Compounds):
            return whole
        paths = [(*field.path, name) for name in self._scope.parts(field.path)]
        typed = [(type, path) for path in paths if (type := self._scope.type_of(path)) is not None]
        nothing = Literal(NULL, None, position)
        terms = tuple(Compare(sign, Field(type, path, field.position), nothing, position) for type, path in typed)
        return Join("&&" if sign == "==" else "||", terms, position) if len(terms) > 1 else whole

    def _in(self, tree: Syntax) -> Node:
        container = tree.args[1]
        return self._one_of(tree) if container.kind == "list" else self._within(tree)

    def _one_of(self, tree: Syntax) -> Node:
        choices = self._nodes(tree.args[1].args)
        if not choices:
            self._refuse(tree.args[1].position, "the list is empty")
        for choice in choices:
            if choice.type == NULL:
                self._refuse(choice.position, "null is in no list", hint="add '|| x == null'")
        _, (item, *rest) = self._agree(tree, (self._node(tree.args[0]), *choices), "look for")
        if item.type in (NULL, TEXTS, Type("json")):
            self._refuse(tree.position, f"cannot look for {item.type} in a list")
        return OneOf(item, tuple(rest), tree.position)

    def _within(self, tree: Syntax) -> Node:
        container = self._node(tree.args[1])
        if not isinstance(container, Field) or (container.type != TEXTS and container.type.item is None):
            self._refuse(
                tree.args[1].position,
                f"'in' needs a list or a set of texts, found {container.type}",
                hint="contains() looks into a text" if container.type == TEXT else "",
            )
        wanted = container.type.item or TEXT
        item = self._converted(self._node(tree.args[0]), wanted)
        if item.type != wanted:
            self._refuse(tree.position, f"cannot look for {item.type} in {container.type}")
        return Within(item, container, tree.position)

    def _list(self, tree: Syntax) -> Node:
        self._refuse(tree.position, "a list is only possible after 'in'")

    # --- numbers, texts, dates

    def _arithmetic(self, tree: Syntax) -> Node:
        sign = str(tree.value)
        left, right = self._nodes(tree.args)
        if sign == "-" and "date" in (left.type.name, right.type.name):
            left, right = self._dates(left, right)
        type = arithmetic.result_type(sign, left.type, right.type)
        if type is None:
            self._refuse(
                tree.position,
                f"'{sign}' is not possible with {left.type} and {right.type}",
                hint=_arithmetic_hint(left.type, right.type),
            )
        return Arithmetic(type, sign, left, right, tree.position)

    def _dates(self, left: Node, right: Node) -> tuple[Node, Node]:
        """Take a text beside a date as a date."""
        if left.type == TEXT or right.type == TEXT:
            return self._converted(left, Type("date")), self._converted(right, Type("date"))
        return left, right

    def _negate(self, tree: Syntax) -> Node:
        operand = self._node(tree.args[0])
        if not operand.type.numeric:
            self._refuse(tree.position, f"'-' needs a number, found {operand.type}")
        return Negate(operand.type, operand, tree.position)

    # --- functions

    def _call(self, tree: Syntax) -> Node:
        function = self._functions.get(str(tree.value))
        if function is None:
            hint = _did_you_mean(str(tree.value), self._functions)
            self._refuse(tree.position, f"unknown function {tree.value!r}", "unknown_function", hint)
        self._count(tree, function)
        if function.members == "under":
            return self._under(tree)
        if function.name in _OF_LISTS and (counted := self._counted(tree, function)) is not None:
            return counted
        if function.members:
            return self._members(tree, function)
        args = tuple(self._argument(function, index, self._node(arg)) for index, arg in enumerate(tree.args))
        if function.repeated:
            _, args = self._agree(tree, args, f"use {function.name}() with")
        try:
            return Call(function.returns(args), function, args, tree.position)
        except Mismatch as error:
            self._refuse(args[error.index].position, f"{function.name}(): {error.reason}")

    def _counted(self, tree: Syntax, function: Function) -> Node | None:
        """Return size() or isEmpty() of a list of records as the number of them; None of anything else."""
        node = self._node(tree.args[0])
        if not isinstance(node, Field) or node.type.item is None or node.parameter:
            return None
        count = Field(INT, (COUNT, *node.path), tree.position)
        if function.name == "size":
            return count
        return Compare("==", count, Literal(INT, 0, tree.position), tree.position)

    def _under(self, tree: Syntax) -> Node:
        """Return a test of a place in a hierarchy as a test of membership in a record and all below it."""
        place, top = self._nodes(tree.args)
        top = self._converted(top, UUID)
        hierarchy = None
        if isinstance(place, Field) and place.type == UUID and isinstance(self._scope, Hierarchies):
            hierarchy = self._scope.hierarchy(place.path)
        if hierarchy is None or not isinstance(place, Field):
            hint = "a relation with hierarchy: true, a relation to an entity that has one, or id; in a filter"
            self._refuse(place.position, "under() needs a record of a hierarchy", hint=hint)
        if top.type != UUID or not (isinstance(top, Literal) or (isinstance(top, Field) and top.parameter)):
            self._refuse(top.position, "under() needs an id, or one of the user")
        word = ".".join(top.path) if isinstance(top, Field) else str(top.value)
        below = Field(list_of(UUID), (UNDER, *hierarchy, word), tree.position)
        return Within(place, below, tree.position)

    def _members(self, tree: Syntax, function: Function) -> Node:
        """Return a test of a set of texts as tests of membership, one per value."""
        container = self._node(tree.args[0])
        if not isinstance(container, Field) or container.type != TEXTS:
            self._refuse(container.position, f"{function.name}() needs a set of texts, found {container.type}")
        items = self._nodes(tree.args[1:])
        for item in items:
            if item.type != TEXT:
                self._refuse(item.position, f"{function.name}() needs a text, found {item.type}")
        tests = tuple(Within(item, container, tree.position) for item in items)
        return tests[0] if len(tests) == 1 else Join(function.members, tests, tree.position)

    def _count(self, tree: Syntax, function: Function) -> None:
        most, given = len(function.parameters), len(tree.args)
        least = most - function.optional
        if given > MAX_ARGUMENTS:
            self._refuse(tree.position, f"{function.name}() takes at most {MAX_ARGUMENTS} values", "limit")
        if given < least or (given > most and not function.repeated):
            wanted = f"{least} or more" if function.repeated else f"{least} to {most}" if least < most else str(most)
            noun = "value" if wanted == "1" else "values"
            self._refuse(tree.position, f"{function.name}() takes {wanted} {noun}, found {given}")

    def _argument(self, function: Function, index: int, node: Node) -> Node:
        accepted = function.parameters[min(index, len(function.parameters) - 1)]
        if node.type.name in accepted:
            return node
        if node.type == TEXT and constants.readable(accepted[0]):
            node = self._converted(node, Type(accepted[0]))
        if node.type.name not in accepted:
            wanted = " or ".join(str(Type(name)) for name in accepted)
            self._refuse(node.position, f"{function.name}() needs {wanted}, found {node.type}")
        return node

    # --- bringing operands together

    def _agree(self, tree: Syntax, nodes: tuple[Node, ...], purpose: str) -> tuple[Type, tuple[Node, ...]]:
        """Return the one type of `nodes`, and them converted to it."""
        type = self._leading(nodes)
        nodes = tuple(self._converted(node, type) for node in nodes)
        found = NULL
        for node in nodes:
            joined = common(found, node.type)
            if joined is None or node.type.name == "list":
                hint = _quotes_hint(nodes)
                self._refuse(tree.position, f"cannot {purpose} {found} and {node.type}", hint=hint)
            found = joined
        return found, tuple(self._converted(node, found) for node in nodes)

    def _leading(self, nodes: Sequence[Node]) -> Type:
        """Return the type that texts among `nodes` are to be read as."""
        others = [node.type for node in nodes if constants.readable(node.type.name)]
        return DATETIME if DATETIME in others else others[0] if others else TEXT

    def _converted(self, node: Node, type: Type) -> Node:
        """Return `node` as a value of `type` if it can be taken for one, else unchanged."""
        if type == DATETIME and node.type.name == "date":
            return Call(DATETIME, MIDNIGHT, (node,), node.position)
        if isinstance(node, Literal) and node.type == TEXT and constants.readable(type.name):
            return self._read(node, type)
        return node

    def _read(self, node: Literal, type: Type) -> Node:
        try:
            return Literal(type, constants.read(node.value, type.name), node.position)
        except ValueError:
            hint = f"write it as '{constants.example(type.name)}'"
            self._refuse(node.position, f"{node.value[:40]!r} is not {type}", hint=hint)

    _CHECKS = MappingProxyType[str, Callable[["Checker", Syntax], Node]](
        {
            "literal": _literal,
            "name": _name,
            "&&": _join,
            "||": _join,
            "not": _not,
            "if": _if,
            "compare": _compare,
            "in": _in,
            "list": _list,
            "arithmetic": _arithmetic,
            "negate": _negate,
            "call": _call,
        }
    )


def _path(tree: Syntax) -> Path:
    return tree.value if isinstance(tree.value, tuple) else ()


def _type_of_constant(value: object) -> Type:
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, Decimal):
        return decimal(-int(value.as_tuple().exponent))
    return NULL if value is None else INT if isinstance(value, int) else TEXT


def folded(node: Node) -> Node:
    """Return `node` as a Literal if all it is made of are literals, else `node`."""
    parts = children(node)
    if not parts or node.type.name not in _FOLDED or not all(isinstance(part, Literal) for part in parts):
        return node
    value = _constant(node)
    return node if value is None else Literal(node.type, value, node.position)


def _constant(node: Node) -> Any:
    """Return the value of a node made of literals, or None when it cannot be written so that it keeps its type."""
    value = closure(node)(_no_field, None)
    if node.type.name != "decimal":
        return value
    return arithmetic.fitted(value, node.type.scale) if node.type.scale else None


def _no_field(path: Path) -> NoReturn:
    raise AssertionError(f"a constant reads {path}")


# --- hints


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    if len(name) > _SUGGESTED_LENGTH:
        return ""
    by_lower = {word.lower(): word for word in known}
    found = difflib.get_close_matches(name.lower(), by_lower, 1, 0.6)
    return f"did you mean {by_lower[found[0]]!r}?" if found else ""


def _condition_hint(node: Node) -> str:
    if node.type.numeric:
        return "compare it, for example with > 0"
    return "compare it, for example with != null" if node.type != NULL else ""


def _texts_hint(type: Type) -> str:
    return "ask with 'x in tags'" if type == TEXTS else ""


def _quotes_hint(nodes: Sequence[Node]) -> str:
    """Explain the commonest mistake: a number in quotes."""
    numeric = any(node.type.numeric for node in nodes)
    quoted = [n.value for n in nodes if isinstance(n, Literal) and n.type == TEXT]
    return "leave out the quotes" if numeric and quoted and quoted[0].lstrip("-").replace(".", "", 1).isdigit() else ""


def _arithmetic_hint(left: Type, right: Type) -> str:
    if NULL in (left, right):
        return "use coalesce() to replace null"
    if {left.name, right.name} <= {"date", "datetime"}:
        return "days(a, b) counts the days between two dates"
    return ""
