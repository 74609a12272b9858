"""The function that the expression backend for SQLite calls; the store registers it on each connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from xrm.kernel.expression.arithmetic import fitted
from xrm.kernel.expression.check import Checker
from xrm.kernel.expression.functions import FUNCTIONS, Function
from xrm.kernel.expression.parse import parse_rendered
from xrm.kernel.expression.python import closure
from xrm.kernel.expression.types import Names, Path, Type
from xrm.kernel.store.codec import SQLITE

FUNCTION = "xrm_value"
CONDITION = Type("condition")  # the result 1 or 0, where BOOL may also be NULL

Program = Callable[[Sequence[Any]], Any]  # stored arguments → stored result
Reader = tuple[int, Callable[[Any], Any]]  # which argument, and how it is read


def sqlite_functions(functions: Mapping[str, Function] = FUNCTIONS) -> Mapping[str, tuple[int, Callable[..., Any]]]:
    """Return name → (number of arguments, function) of what each SQLite connection must have, all deterministic.

    `functions` is the table the expressions were compiled with.
    """

    @lru_cache(maxsize=1024)
    def compiled(text: str) -> Program:
        return _compile(text, functions)

    def value(text: str, *stored: Any) -> Any:
        return compiled(text)(stored)

    return MappingProxyType({FUNCTION: (-1, value)})


def program(source: str, arguments: Sequence[Type], result: Type) -> str:
    """Return the first argument of the function: types of the others, type of the result, and the expression."""
    return f"{','.join(map(_spec, arguments))}|{_spec(result)}|{source}"


def _spec(type: Type) -> str:
    return f"{type.name}:{type.scale}"


def _type(spec: str) -> Type:
    name, _, scale = spec.partition(":")
    return Type(name, int(scale))


def _compile(text: str, functions: Mapping[str, Function]) -> Program:
    arguments, result, source = text.split("|", 2)
    types = {f"_{index}": _type(spec) for index, spec in enumerate(filter(None, arguments.split(",")))}
    node = Checker(source, Names(types), functions).check(parse_rendered(source))
    compute, finish = closure(node), _finisher(_type(result))
    readers: dict[Path, Reader] = {(name,): _reader(n, type) for n, (name, type) in enumerate(types.items())}

    def run(stored: Sequence[Any]) -> Any:
        def read(path: Path) -> Any:
            index, decode = readers[path]
            return decode(stored[index])

        return finish(compute(read, None))

    return run


def _reader(index: int, type: Type) -> Reader:
    return index, SQLITE.decode(type.column) or (lambda stored: stored)


def _finisher(type: Type) -> Callable[[Any], Any]:
    """Return what makes the stored form of a result."""
    if type == CONDITION:
        return lambda value: int(bool(value))
    column = type.column
    if type.name == "decimal":
        return lambda value: SQLITE.encode(column, fitted(value, type.scale))
    return lambda value: SQLITE.encode(column, value)
