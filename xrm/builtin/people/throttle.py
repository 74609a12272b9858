"""Counting tries per key in a window of time, in bounded memory: against guessing passwords and against floods."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

from xrm.errors import TooManyRequests

MAX_KEYS = 50_000


class Throttle:
    """Allows `limit` tries per key in `seconds`; the window of a key begins with its first try.

    One process counts for itself: with n processes a client has n times the limit at most.

    Args:
        limit: Tries per window.
        seconds: Length of the window.
        now: Gives the time, seconds.
    """

    __slots__ = ("_limit", "_now", "_seconds", "_windows")

    def __init__(self, limit: int, seconds: float, now: Callable[[], float]) -> None:
        self._limit, self._seconds, self._now = limit, seconds, now
        self._windows: OrderedDict[Hashable, list[float]] = OrderedDict()  # key → [begin, tries], oldest first

    def take(self, key: Hashable) -> None:
        """Count one try.

        Raises:
            TooManyRequests: the key has none left; `retry_after` says for how many seconds.
        """
        now = self._now()
        window = self._windows.get(key)
        if window is None or now - window[0] >= self._seconds:
            self._open(key, now)
            return
        if window[1] >= self._limit:
            raise TooManyRequests(retry_after=max(1, math.ceil(window[0] + self._seconds - now)))
        window[1] += 1

    def give_back(self, key: Hashable) -> None:
        """Take back one try that turned out well."""
        window = self._windows.get(key)
        if window is not None and window[1] > 0:
            window[1] -= 1

    def forget(self, key: Hashable) -> None:
        """Give a key all its tries again."""
        self._windows.pop(key, None)

    def _open(self, key: Hashable, now: float) -> None:
        self._windows.pop(key, None)
        while self._windows:
            oldest = next(iter(self._windows))
            if now - self._windows[oldest][0] < self._seconds and len(self._windows) < MAX_KEYS:
                break
            del self._windows[oldest]
        self._windows[key] = [now, 1]


def network(address: str) -> str:
    """Return what tries are counted by: an IPv4 address, or the /64 network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))
