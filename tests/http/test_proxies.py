"""Where a request comes from: what a client writes counts for nothing, what a trusted proxy says does."""

from __future__ import annotations

import pytest

from xrm.http.auth import client_of
from xrm.kernel.outbound.addresses import read_networks

PROXIES = read_networks(["10.0.0.0/24", "::1"])


def scope(peer, *forwarded):
    return {"client": (peer, 4000) if peer else None, "headers": [(b"x-forwarded-for", f.encode()) for f in forwarded]}


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("192.0.2.1", ["203.0.113.5"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5, 10.0.0.7"], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("::1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.7"], "10.0.0.1"),
        ("", ["203.0.113.5"], ""),
    ],
)
def test_the_address_is_the_last_that_no_client_can_write(peer, forwarded, seen):
    assert client_of(scope(peer, *forwarded), PROXIES).address == seen


def test_without_trusted_proxies_the_connection_counts():
    assert client_of(scope("127.0.0.1", "203.0.113.5")).address == "127.0.0.1"
