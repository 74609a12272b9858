"""The JSON form of an expression, and its text again.

    null, true, "open", 12            constants; a number with a fraction becomes a decimal
    {"decimal": "12.50"}              a decimal with exactly these digits
    {"field": "customer.country"}     the value at a path
    ["open", "lost"]                  a list, to the right of in
    {"op": "==", "args": [a, b]}      an operator: == != < <= > >= in && || ! + - * / % ?:  (-, one operand: negates)
    {"call": "lower", "args": [a]}    a function

Whatever comes in as JSON is rendered as text and compiled as such: there is one grammar, one checker, and an error
shows its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

from xrm.kernel.expression.error import ExpressionError
from xrm.kernel.expression.parse import MAX_DEPTH, MAX_RENDERED
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
    Within,
    children,
)
from xrm.kernel.expression.types import COUNT, UNDER

Json = Any
Replace = Callable[[Node], Json]  # what to write instead of a node, or None

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(rf"{_NAME.pattern}(\.{_NAME.pattern})*")
_ARITY: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "+", "*", "/", "%"), (2, 2)),
        "-": (1, 2),
        "!": (1, 1),
        "?:": (3, 3),
        "&&": (2, 4000),
        "||": (2, 4000),
    }
)


# --- tree → JSON


def to_json(node: Node, replace: Replace = lambda node: None) -> Json:
    """Return the JSON form of a typed tree; `replace` may give the form of a node itself."""
    found = replace(node)
    return _of_node(node, replace) if found is None else found


def _of_node(node: Node, replace: Replace) -> Json:
    parts = [to_json(part, replace) for part in children(node)]
    match node:
        case Literal():
            return _of_constant(node)
        case Field(_, (str(first), *path)) if first == COUNT:
            return {"call": "size", "args": [{"field": ".".join(path)}]}
        case Field():
            return {"field": ".".join(node.path)}
        case Within(item, Field(_, (str(first), _, _, word))) if first == UNDER:
            top = {"field": word} if word.startswith("user.") else word
            return {"call": "under", "args": [to_json(item, replace), top]}
        case OneOf():
            return {"op": "in", "args": [parts[0], parts[1:]]}
        case Call():
            return {"call": node.function.name, "args": parts}
        case _:
            return {"op": _sign(node), "args": parts}


def _sign(node: Join | Not | Compare | Within | If | Arithmetic | Negate) -> str:
    match node:
        case Join() | Compare() | Arithmetic():
            return node.operator
        case Not():
            return "!"
        case Negate():
            return "-"
        case If():
            return "?:"
        case Within():
            return "in"


def _of_constant(node: Literal) -> Json:
    value = node.value
    if isinstance(value, Decimal):
        return {"decimal": format(value, "f")}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if node.type.name in ("date", "time"):
        return str(value.isoformat())
    return str(value) if node.type.name == "uuid" else value


# --- JSON → text


def render(form: Json) -> str:
    """Return the text of an expression given in its JSON form.

    Raises:
        ExpressionError: it is not of the form, or too large.
    """
    text = _text(form, 0)
    if len(text) > MAX_RENDERED:
        _refuse(f"the expression is longer than {MAX_RENDERED} characters", "limit")
    return text


def _refuse(reason: str, kind: str = "syntax") -> NoReturn:
    raise ExpressionError(reason, "", 0, kind)


def _text(form: Json, depth: int) -> str:
    if depth > MAX_DEPTH:
        _refuse(f"nested more than {MAX_DEPTH} deep", "limit")
    if isinstance(form, Mapping):
        return _construct(form, depth)
    if isinstance(form, (list, tuple)):
        return f"[{', '.join(_text(item, depth + 1) for item in form)}]"
    return _constant(form)


def _constant(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    _refuse(f"{type(value).__name__} is no value of an expression")


def _number(value: float | Decimal) -> str:
    """Return digits without an exponent: what a float shows, not the binary value behind it."""
    if isinstance(value, int) and abs(value) >= 2**63:
        _refuse("the number is too large", "limit")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > 40:
        _refuse("the number is too large or too small", "limit")
    return format(number, "f")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _construct(form: Mapping[str, Json], depth: int) -> str:
    keys = frozenset(form)
    writer = _WRITERS.get(keys)
    if writer is None:
        _refuse(
            f"unknown form with the keys {', '.join(sorted(map(str, keys)))[:80] or '(none)'}; "
            "known are field, decimal, op with args, call with args"
        )
    return writer(form, depth)


def _field(form: Mapping[str, Json], depth: int) -> str:
    path = form["field"]
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        _refuse(f"{str(path)[:80]!r} is no field")
    return path


def _decimal(form: Mapping[str, Json], depth: int) -> str:
    digits = form["decimal"]
    if not isinstance(digits, str) or not re.fullmatch(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", digits):
        _refuse(f"{str(digits)[:80]!r} is no decimal")
    return digits if "." in digits else f"{digits}.0"


def _operation(form: Mapping[str, Json], depth: int) -> str:
    sign, args = form["op"], _arguments(form, depth)
    least, most = _ARITY.get(sign, (0, 0)) if isinstance(sign, str) else (0, 0)
    if not least:
        _refuse(f"unknown operator {str(sign)[:20]!r}")
    if not least <= len(args) <= most:
        _refuse(f"operator {sign!r} with {len(args)} operands")
    if len(args) == 1:
        return f"{sign}{args[0]}"  # what needs parentheses has them
    if sign == "?:":
        return "({} ? {} : {})".format(*args)
    return "(" + f" {sign} ".join(args) + ")"


def _call(form: Mapping[str, Json], depth: int) -> str:
    name = form["call"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _refuse(f"{str(name)[:80]!r} is no function")
    return f"{name}({', '.join(_arguments(form, depth))})"


def _arguments(form: Mapping[str, Json], depth: int) -> list[str]:
    args = form["args"]
    if not isinstance(args, (list, tuple)):
        _refuse("args must be a list")
    return [_text(arg, depth + 1) for arg in args]


_WRITERS = MappingProxyType[frozenset[str], Callable[[Mapping[str, Json], int], str]](
    {
        frozenset({"field"}): _field,
        frozenset({"decimal"}): _decimal,
        frozenset({"op", "args"}): _operation,
        frozenset({"call", "args"}): _call,
    }
)
