"""Text → syntax tree: tokens, precedence, positions and limits.

    loosest   c ? a : b        right to left
              a || b
              a && b
              == != < <= > >= in    do not chain
              + -
              * / %
              ! -              before their operand
    tightest  a.b  f(x)  x.f(y)

A conjunction or disjunction of many terms is one node, so that long ones are not deep.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from xrm.kernel.expression.error import ExpressionError
from xrm.kernel.expression.tree import Syntax
from xrm.kernel.expression.types import MAX_DIGITS, MAX_SCALE

MAX_LENGTH = 4_000  # characters of an expression that a person writes
MAX_RENDERED = 200_000  # characters of one rendered from its JSON form, where lists may be long
MAX_DEPTH = 60  # operators and parentheses within one another


class Token(NamedTuple):
    """A piece of the source. `kind` is number, text, name, sign or end."""

    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Mapping[str, str] = MappingProxyType(
    {
        "n": "\n",
        "r": "\r",
        "t": "\t",
        "\\": "\\",
        "'": "'",
        '"': '"',
    }
)
_WORDS: Mapping[str, str] = MappingProxyType({"and": "&&", "or": "||", "not": "!"})
_CONSTANTS: Mapping[str, bool | None] = MappingProxyType({"true": True, "false": False, "null": None})

_CONDITIONAL, _OR, _AND, _COMPARE, _SUM, _PRODUCT, _PREFIX, _DOT = range(1, 9)
_BINDING: Mapping[str, int] = MappingProxyType(
    {
        "?": _CONDITIONAL,
        "||": _OR,
        "&&": _AND,
        **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), _COMPARE),
        "+": _SUM,
        "-": _SUM,
        "*": _PRODUCT,
        "/": _PRODUCT,
        "%": _PRODUCT,
        ".": _DOT,
        "(": _DOT,
        "[": _DOT,
    }
)


def parse(source: str) -> Syntax:
    """Return the syntax tree of `source`, at most 4000 characters and 60 operators or parentheses deep.

    Raises:
        ExpressionError: it is not an expression, or larger than that.
    """
    return _parse(source, MAX_LENGTH, MAX_DEPTH)


def parse_rendered(source: str) -> Syntax:
    """Return the syntax tree of a text made by `json_form.render`, which has more parentheses and longer lists.

    Raises:
        ExpressionError: it is not an expression, or too large.
    """
    return _parse(source, MAX_RENDERED, 2 * MAX_DEPTH + 2)


def _parse(source: str, length: int, nesting: int) -> Syntax:
    if len(source) > length:
        raise ExpressionError(f"the expression is longer than {length} characters", source, length, "limit")
    if not source.strip():
        raise ExpressionError("the expression is empty", source, 0)
    return _Parser(source, tokenize(source), nesting).whole()


def tokenize(source: str) -> list[Token]:
    """Return the tokens of `source`, the last of them the end.

    Raises:
        ExpressionError: a character that begins no token.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            _refuse_character(source, position)
        kind = str(match.lastgroup)
        if kind != "blank":
            tokens.append(Token(kind, match.group(), position))
        position = match.end()
        if kind == "number":
            _refuse_glued_number(source, position)
    tokens.append(Token("end", "", len(source)))
    return tokens


def _refuse_character(source: str, position: int) -> NoReturn:
    character = source[position]
    if character in "'\"":
        raise ExpressionError("the text is not closed", source, position, hint=f"end it with {character}")
    hints = {"=": "compare with ==", "&": "write &&", "|": "write ||"}
    raise ExpressionError(f"unexpected character {character!r}", source, position, hint=hints.get(character, ""))


def _refuse_glued_number(source: str, end: int) -> None:
    following = source[end : end + 1]
    if following.isalnum() or following == "_":
        raise ExpressionError("a number and a letter need a blank or an operator between them", source, end)


@dataclass
class _Parser:
    """Precedence climbing (Pratt 1973): `term` reads what begins an expression, `after` what continues it."""

    source: str
    tokens: list[Token]
    nesting: int
    index: int = 0
    depth: int = 0

    # --- tokens

    def peek(self) -> Token:
        return self.tokens[self.index]

    def next(self) -> Token:
        token = self.tokens[self.index]
        self.index += 1
        return token

    def at(self, sign: str) -> bool:
        token = self.peek()
        return token.kind == "sign" and token.text == sign

    def expect(self, sign: str) -> None:
        if not self.at(sign):
            self.refuse(self.peek(), f"expected {sign!r}, found {_shown(self.peek())}")
        self.next()

    def refuse(self, token: Token, reason: str, hint: str = "", kind: str = "syntax") -> NoReturn:
        raise ExpressionError(reason, self.source, token.position, kind, hint)

    # --- expressions

    def whole(self) -> Syntax:
        tree = self.expression(0)
        token = self.peek()
        if token.kind != "end":
            self.refuse(token, f"unexpected {_shown(token)}", _hint_after(token))
        return tree

    def expression(self, floor: int) -> Syntax:
        """Read an expression of operators that bind tighter than `floor`."""
        self.depth += 1
        if self.depth > self.nesting:
            self.refuse(self.peek(), f"nested more than {self.nesting} deep", kind="limit")
        left = self.term(self.next())
        while (binding := self.binding()) > floor:
            left = self.after(self.next(), left, binding)
        self.depth -= 1
        return left

    def binding(self) -> int:
        token = self.peek()
        return _BINDING.get(token.text, 0) if token.kind in ("sign", "name") else 0

    def node(self, kind: str, token: Token, *args: Syntax, value: object = None) -> Syntax:
        depth = 1 + max((arg.depth for arg in args), default=0)
        if depth > MAX_DEPTH:
            self.refuse(token, f"nested more than {MAX_DEPTH} deep", kind="limit")
        return Syntax(kind, token.position, args, value, depth)

    def term(self, token: Token) -> Syntax:
        reader = self._TERMS.get(token.text if token.kind == "sign" else token.kind)
        if reader is None:
            self.refuse(token, f"unexpected {_shown(token)}", "a value is missing here")
        return reader(self, token)

    def number(self, token: Token) -> Syntax:
        whole, point, rest = token.text.lstrip("0").partition(".")
        if not point and (len(whole) > 19 or int(whole or "0") >= 2**63):
            self.refuse(token, "the number is too large", kind="limit")
        if len(rest) > MAX_SCALE or (point and len(whole) + len(rest) > MAX_DIGITS):
            self.refuse(token, f"at most {MAX_DIGITS} digits, {MAX_SCALE} of them after the point", kind="limit")
        return self.node("literal", token, value=Decimal(token.text) if point else int(token.text))

    def text(self, token: Token) -> Syntax:
        def escape(match: re.Match[str]) -> str:
            code = match[1]
            found = chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code)
            if found is None or found == "\0" or "\ud800" <= found <= "\udfff":
                place = token._replace(position=token.position + 1 + match.start())
                self.refuse(place, f"unknown escape {match[0]!r}", r"\\ \' \" \n \r \t and \uXXXX are known")
            return found

        value = _ESCAPE.sub(escape, token.text[1:-1])
        if "\0" in value or not _encodable(value):
            self.refuse(token, "the text holds a character that cannot be stored")
        return self.node("literal", token, value=value)

    def name(self, token: Token) -> Syntax:
        if token.text in _CONSTANTS:
            return self.node("literal", token, value=_CONSTANTS[token.text])
        if token.text == "in" or (token.text == "not" and self.peek().kind in ("name", "number", "text")):
            self.refuse(token, f"unexpected {_shown(token)}", f"write {_WORDS.get(token.text, 'a value before it')}")
        return self.node("name", token, value=(token.text,))

    def prefixed(self, token: Token) -> Syntax:
        return self.node("not" if token.text == "!" else "negate", token, self.expression(_PREFIX))

    def group(self, token: Token) -> Syntax:
        inner = self.expression(0)
        self.expect(")")
        return inner

    def list(self, token: Token) -> Syntax:
        return self.node("list", token, *self.items("]"))

    def items(self, closing: str) -> tuple[Syntax, ...]:
        """Read expressions between commas up to and with the sign `closing`."""
        found: list[Syntax] = []
        while not self.at(closing):
            found.append(self.expression(0))
            if not self.at(","):
                break
            self.next()
        self.expect(closing)
        return tuple(found)

    # --- what follows a value

    def after(self, token: Token, left: Syntax, binding: int) -> Syntax:
        if binding == _DOT:
            return self._POSTFIX[token.text](self, token, left)
        if binding == _CONDITIONAL:
            return self.conditional(token, left)
        right = self.expression(binding)
        if binding in (_AND, _OR):
            return self.joined(token, left, right)
        if binding == _COMPARE and self.binding() == _COMPARE:
            self.refuse(self.peek(), "comparisons do not chain", "join two of them with &&")
        return self.node(
            "in" if token.text == "in" else "compare" if binding == _COMPARE else "arithmetic",
            token,
            left,
            right,
            value=token.text,
        )

    def joined(self, token: Token, left: Syntax, right: Syntax) -> Syntax:
        terms = left.args if left.kind == token.text else (left,)
        return self.node(token.text, token, *terms, right)

    def conditional(self, token: Token, condition: Syntax) -> Syntax:
        then = self.expression(0)
        self.expect(":")
        return self.node("if", token, condition, then, self.expression(0))

    def dot(self, token: Token, left: Syntax) -> Syntax:
        name = self.next()
        if name.kind != "name":
            self.refuse(name, f"expected a name after '.', found {_shown(name)}")
        if self.at("("):
            self.next()
            return self.node("call", name, left, *self.items(")"), value=name.text)
        if left.kind != "name" or not isinstance(left.value, tuple):
            self.refuse(token, "only a field or a relation can be followed by '.' and a name")
        return Syntax("name", left.position, (), (*left.value, name.text), 1)

    def call(self, token: Token, left: Syntax) -> Syntax:
        if left.kind != "name" or not isinstance(left.value, tuple) or len(left.value) != 1:
            self.refuse(token, "this cannot be called")
        name = Token("name", left.value[0], left.position)
        return self.node("call", name, *self.items(")"), value=name.text)

    def subscript(self, token: Token, left: Syntax) -> NoReturn:
        self.refuse(token, "values cannot be picked by their place", "ask with 'x in list'")

    _TERMS = MappingProxyType[str, Callable[["_Parser", Token], Syntax]](
        {
            "number": number,
            "text": text,
            "name": name,
            "-": prefixed,
            "!": prefixed,
            "(": group,
            "[": list,
        }
    )
    _POSTFIX = MappingProxyType[str, Callable[["_Parser", Token, Syntax], Syntax]](
        {
            ".": dot,
            "(": call,
            "[": subscript,
        }
    )


def _shown(token: Token) -> str:
    return "end of the expression" if token.kind == "end" else repr(token.text)


def _hint_after(token: Token) -> str:
    if token.text in _WORDS:
        return f"write {_WORDS[token.text]}"
    return "an operator is missing here" if token.kind in ("name", "number", "text") else ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
