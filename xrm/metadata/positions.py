"""From a place inside a value to the place in its file: where in the YAML an expression goes wrong."""

from __future__ import annotations

from xrm.metadata.model import Origin


def locate(text: str, origin: Origin, value: str, offset: int) -> Origin:
    """Return where the character number `offset` of a text value is written in its file.

    Plain and quoted values of one line and ``|`` blocks are followed to the character; for folded values, and
    whenever the text does not look as expected, the answer is the beginning of the value.

    Args:
        text: The whole file.
        origin: Where the value begins.
        value: What YAML made of it.
        offset: Index into `value`.
    """
    lines = text.splitlines()
    if not 0 < origin.line <= len(lines):
        return origin
    written = lines[origin.line - 1][origin.column - 1 :]
    if written[:1] == "|":
        return _in_block(lines, origin, value, offset)
    if written[:1] in ("'", '"'):
        return _in_quotes(written, origin, value, offset)
    return _moved(origin, offset) if written.startswith(value) else origin


def _moved(origin: Origin, columns: int) -> Origin:
    return Origin(origin.layer, origin.file, origin.line, origin.column + columns)


def _in_quotes(written: str, origin: Origin, value: str, offset: int) -> Origin:
    quote = written[0]
    plain = value.replace("'", "''") if quote == "'" else value
    if not written[1:].startswith(plain + quote):
        return origin
    doubled = value.count("'", 0, offset) if quote == "'" else 0
    return _moved(origin, 1 + offset + doubled)


def _in_block(lines: list[str], origin: Origin, value: str, offset: int) -> Origin:
    row = value.count("\n", 0, offset)
    column = offset - (value.rfind("\n", 0, offset) + 1)
    first = next((line for line in lines[origin.line :] if line.strip()), "")
    indent = len(first) - len(first.lstrip(" "))
    number = origin.line + 1 + row
    if number > len(lines) or lines[number - 1][indent:] != value.split("\n")[row]:
        return origin
    return Origin(origin.layer, origin.file, number, indent + column + 1)
