"""YAML text → nodes that know their place.

The text is hostile until proven otherwise, so nothing is composed recursively: events of the parser are put
together on an explicit stack, and size, depth and number of values are bounded as they arrive. Anchors, aliases and
tags are refused, which leaves no way to make a small text large. Plain scalars follow the JSON reading: only ``true``,
``false``, ``null``, decimal integers and floats are not text, so that ``no``, ``on``, ``12:30`` and ``010`` stay what
they look like.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml

from xrm.errors import Issue
from xrm.metadata.codes import found
from xrm.metadata.model import Origin, Source
from xrm.metadata.nodes import Mark, Node

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 50_000
MAX_KEY = 200
MAX_ISSUES = 100

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BAD_CHARACTER = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Control characters, invisible line breaks, half surrogate pairs: no text of a definition holds them."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?\Z")
_WORDS = {"true": True, "false": False, "null": None, "": None}
_SYNTAX_HINTS = {
    "found character that cannot start any token": "indent with spaces; put text that begins with @, % or ` in quotes",
    "mapping values are not allowed in this context": "check the indentation, or put text that contains ': ' in quotes",
    "did not find expected key": "check the indentation of this line and of the lines above it",
}


def compose(source: Source) -> tuple[list[Node], list[Issue]]:
    """Return the documents of a file and what is wrong with its YAML.

    After an error that makes the rest unreadable the documents before it are still returned. Never raises.
    """
    refused = _refuse(source)
    if refused is not None:
        return [], [refused]
    composer = _Composer(source)
    try:
        composer.run()
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        composer.issues.append(_syntax(source, error))
    except (yaml.YAMLError, UnicodeError):
        composer.add("yaml_syntax", None, "this is not YAML text")
    return composer.documents, composer.issues


def _refuse(source: Source) -> Issue | None:
    text = source.text
    start = Origin(source.layer, source.file, 1, 1)
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return found(start, "file_too_large", "the file is larger than 1 MiB", "split it into several files")
    bad = BAD_CHARACTER.search(text)
    if bad is None:
        return None
    line = text.count("\n", 0, bad.start()) + 1
    column = bad.start() - text.rfind("\n", 0, bad.start())
    place = Origin(source.layer, source.file, line, column)
    return found(place, "bad_character", f"the character U+{ord(bad[0]):04X} is not allowed in a definition")


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Issue:
    mark: Any = error.problem_mark or error.context_mark
    place = (
        Origin(source.layer, source.file, mark.line + 1, mark.column + 1)
        if mark
        else Origin(source.layer, source.file, 1, 1)
    )
    problem = error.problem or "this is not YAML"
    message = f"{error.context}: {problem}" if error.context else problem
    return found(place, "yaml_syntax", message, _SYNTAX_HINTS.get(problem, ""))


class _Stop(Exception):
    """The rest of the file cannot be read; the issue is noted already."""


@dataclass(slots=True)
class _Frame:
    value: Any
    start: Mark
    style: str
    slot: Mark | None  # where the key of this collection itself begins
    name: str | None = None  # of the key that waits for its value
    key: Mark | None = None
    lost: bool = False  # the key that waits was there already: its value is dropped


class _Composer:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.documents: list[Node] = []
        self.issues: list[Issue] = []
        self.stack: list[_Frame] = []
        self.nodes = 0

    def run(self) -> None:
        steps: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self.scalar,
            yaml.MappingStartEvent: self.opened,
            yaml.SequenceStartEvent: self.opened,
            yaml.MappingEndEvent: self.closed,
            yaml.SequenceEndEvent: self.closed,
            yaml.AliasEvent: self.alias,
        }
        parser = _Parser(self.source.text)
        try:
            while True:
                event = parser.get_event()
                if event is None or event.__class__ is yaml.StreamEndEvent:
                    return
                step = steps.get(event.__class__)
                if step is not None:
                    step(event)
        finally:
            parser.dispose()

    def add(self, code: str, mark: Mark | None, message: str, hint: str = "") -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self.issues.append(found(Origin(self.source.layer, self.source.file, line, column), code, message, hint))
        if len(self.issues) >= MAX_ISSUES:
            raise _Stop

    def stop(self, code: str, mark: Mark, message: str, hint: str = "") -> None:
        self.add(code, mark, message, hint)
        raise _Stop

    def count(self, event: Any) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.stop(
                "file_too_large",
                event.start_mark,
                f"the file holds more than {MAX_NODES:,} values",
                "split it into several files",
            )
        if event.anchor is not None:
            self.add(
                "anchor_refused",
                event.start_mark,
                f"anchors are not allowed: &{event.anchor[:40]}",
                "write the value where it is needed; share fields by a trait",
            )
        if event.tag is not None:
            self.add("tag_refused", event.start_mark, f"tags are not allowed: {event.tag[:60]}")

    def alias(self, event: Any) -> None:
        self.add(
            "anchor_refused",
            event.start_mark,
            f"aliases are not allowed: *{event.anchor[:40]}",
            "write the value again; share fields by a trait",
        )
        self.put(Node(None, self.source, event.start_mark, event.end_mark, self.expected(event.start_mark)))

    def expected(self, mark: Mark) -> Mark | None:
        """Return where the key of the value that comes next begins; a key that is no text ends the reading."""
        if not self.stack:
            return None
        frame = self.stack[-1]
        if frame.name is None and frame.value.__class__ is dict:
            self.stop("bad_key", mark, "a key must be a plain word")
        return frame.key

    def scalar(self, event: Any) -> None:
        self.count(event)
        stack = self.stack
        if stack and stack[-1].name is None and stack[-1].value.__class__ is dict:
            self.named(stack[-1], event)
            return
        value = event.value
        if event.style == '"' and BAD_CHARACTER.search(value):
            self.add("bad_character", event.start_mark, "an escape stands for a character that is not allowed")
        if event.implicit[0] and not event.style:
            value = self.resolve(value, event)
        key = stack[-1].key if stack else None
        self.put(Node(value, self.source, event.start_mark, event.end_mark, key, event.style or ""))

    def named(self, frame: _Frame, event: Any) -> None:
        name = event.value
        if len(name) > MAX_KEY:
            self.stop("bad_key", event.start_mark, f"a key is longer than {MAX_KEY} characters")
        frame.name, frame.key = name, event.start_mark
        frame.lost = name in frame.value
        if frame.lost:
            first = frame.value[name].key
            self.add(
                "duplicate_key",
                event.start_mark,
                f"{name!r} is written twice; first in line {first.line + 1}",
                "keep one of them",
            )

    def resolve(self, text: str, event: Any) -> Any:
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text):
            return int(text)
        if text[0] not in "-0123456789" or not _NUMBER.match(text):
            return text
        if len(text) <= 30:
            number = float(text)
            if Decimal(text) == Decimal(repr(number)):
                return number
        self.add(
            "number_too_long", event.start_mark, "this number has more digits than can be kept", "put it in quotes"
        )
        return 0

    def opened(self, event: Any) -> None:
        self.count(event)
        slot = self.expected(event.start_mark)
        if len(self.stack) >= MAX_DEPTH:
            self.stop("too_deep", event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        value: Any = {} if event.__class__ is yaml.MappingStartEvent else []
        self.stack.append(_Frame(value, event.start_mark, "flow" if event.flow_style else "block", slot))

    def closed(self, event: Any) -> None:
        frame = self.stack.pop()
        self.put(Node(frame.value, self.source, frame.start, event.end_mark, frame.slot, frame.style))

    def put(self, node: Node) -> None:
        if not self.stack:
            self.documents.append(node)
            return
        frame = self.stack[-1]
        if frame.value.__class__ is list:
            frame.value.append(node)
        elif not frame.lost:
            frame.value[frame.name] = node
        frame.name = None
