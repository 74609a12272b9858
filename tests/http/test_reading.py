"""Reading a request."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Request

from xrm.errors import Malformed, Precondition, PreconditionNeeded
from xrm.http.reading import expected_versions, flag, read_query, read_tags, take, unchanged, whole, words


def request(query: bytes = b"", **headers: str) -> Request[Any, Any, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "query_string": query, "headers": raw, "path": "/"})  # type: ignore[typeddict-item]


KNOWN = frozenset({"limit", "sort"})


def test_parameters_are_read_once_and_by_name():
    assert read_query(request(), KNOWN) == {}
    assert read_query(request(b"limit=5&sort=%2Dname+x"), KNOWN) == {"limit": "5", "sort": "-name x"}


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        (b"limt=5", [("unknown_parameter", "did you mean 'limit'?")]),
        (b"limit=5&limit=6", [("given_twice", "")]),
        (b"a=1&b=2", [("unknown_parameter", "one of limit, sort"), ("unknown_parameter", "one of limit, sort")]),
        (b"sort=%00", [("bad_character", "")]),
        (b"sort=%ff", []),
        (b"sort=\xff", []),
        (b"&".join(b"limit=%d" % n for n in range(200)), []),
        (b"sort=" + b"x" * 20_000, []),
    ],
)
def test_what_cannot_be_read_is_malformed(query, codes):
    with pytest.raises(Malformed) as refused:
        read_query(request(query), KNOWN)
    assert [(issue.code, issue.hint) for issue in refused.value.issues] == codes


def test_words_numbers_and_flags():
    assert words({"sort": " name,, -x ,"}, "sort") == ("name", "-x")
    assert words({}, "sort") == ()
    assert whole({}, "limit", 50) == 50
    assert whole({"limit": "7"}, "limit", 50) == 7
    assert flag({"count": "true"}, "count")
    assert not flag({}, "count")
    for text in ("", "-1", "+1", "1.0", "1e3", " 1", "0x1", "٣", "1" * 20):
        with pytest.raises(Malformed):
            whole({"limit": text}, "limit", 50)
    for text in ("", "1", "yes", "TRUE"):
        with pytest.raises(Malformed):
            flag({"count": text}, "count")


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ('"3"', (3,)),
        ('"3", "4"', (3, 4)),
        ('"3","x"', (3,)),
        ("*", ()),
        ('W/"3", "4"', (4,)),
        ('  "3"  ', (3,)),
    ],
)
def test_if_match_names_versions(header, versions):
    assert expected_versions(request(if_match=header), needed=True) == versions


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ('W/"3"', Precondition),
        ('"x"', Precondition),
        ('""', Precondition),
        ('"99999999999"', Precondition),
        ("3", Malformed),
        ('"3', Malformed),
        ('"3" "4"', Malformed),
        (", ", Malformed),
        (", ".join(['"1"'] * 30), Malformed),
    ],
)
def test_if_match_that_cannot_hold(header, error):
    with pytest.raises(error):
        expected_versions(request(if_match=header), needed=True)


def test_if_match_may_be_needed():
    assert expected_versions(request(), needed=False) == ()
    with pytest.raises(PreconditionNeeded):
        expected_versions(request(), needed=True)


def test_if_none_match_compares_weakly():
    assert unchanged(request(if_none_match='W/"3"'), '"3"')
    assert unchanged(request(if_none_match='"1", "3"'), '"3"')
    assert unchanged(request(if_none_match="*"), '"3"')
    assert not unchanged(request(if_none_match='"4"'), '"3"')
    assert not unchanged(request(), '"3"')
    assert read_tags('W/"a", "b"') == [(True, "a"), (False, "b")]


def test_a_body_of_fixed_form_is_taken_whole_or_not_at_all():
    assert take({"a": "x"}, a=str, b=(int, 3)) == {"a": "x", "b": 3}
    with pytest.raises(Malformed) as refused:
        take({"a": 1, "c": 2, "bb": True}, a=str, b=int, bbb=(bool, False))
    assert [(i.path, i.code, i.hint) for i in refused.value.issues] == [
        ("c", "unknown_key", ""),
        ("bb", "unknown_key", "did you mean 'bbb'?"),
        ("a", "wrong_type", ""),
        ("b", "required", ""),
    ]
