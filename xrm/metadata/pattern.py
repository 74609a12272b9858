r"""Patterns of text fields: matched in time linear in the text, whatever the pattern.

Python's own engine needs exponential time for patterns such as ``(a+)+b``; whoever edits the model could stop the site
with one. The engine behind the JSON Schema validator does not; it knows no look-around and no back-references. Its
dialect is that of ECMA 262, which browsers use for the same pattern in a form: ``\d`` and ``\w`` mean ASCII.
"""

from __future__ import annotations

from functools import lru_cache

import jsonschema_rs

MAX_PATTERN = 200
_LIMIT = 1_000_000  # bytes a compiled pattern may take


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> jsonschema_rs.Draft202012Validator:
    options = jsonschema_rs.RegexOptions(size_limit=_LIMIT, dfa_size_limit=_LIMIT)
    # on its own first: "a)|(b" would be good only between the parentheses that anchor it
    jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    return jsonschema_rs.Draft202012Validator({"pattern": f"^(?:{pattern})$"}, pattern_options=options)


def is_pattern(pattern: str) -> bool:
    """Return whether a text is a pattern that can be used."""
    try:
        _compiled(pattern)
    except jsonschema_rs.ValidationError:
        return False
    return True


def matches(pattern: str, text: str) -> bool:
    """Return whether the whole text matches; a pattern that cannot be used matches everything, being noted elsewhere.

    Args:
        pattern: Regular expression in the dialect of ECMA 262, without look-around and back-references.
        text: What must match as a whole.
    """
    try:
        return _compiled(pattern).is_valid(text)
    except (jsonschema_rs.ValidationError, UnicodeError):  # half a surrogate pair is refused as a value
        return True
