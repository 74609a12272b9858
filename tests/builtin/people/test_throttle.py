"""Tries per key and window."""

from __future__ import annotations

import pytest

from xrm.builtin.people import throttle as module
from xrm.builtin.people.throttle import Throttle, network
from xrm.errors import TooManyRequests


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_key_has_so_many_tries_and_is_told_when_there_are_new_ones(time):
    throttle = Throttle(3, 60, time)
    for _ in range(3):
        throttle.take("a")
    time.now += 20.5
    with pytest.raises(TooManyRequests) as refused:
        throttle.take("a")
    assert refused.value.details["retry_after"] == 40
    throttle.take("b")


def test_a_refused_try_does_not_lengthen_the_wait(time):
    throttle = Throttle(1, 60, time)
    throttle.take("a")
    for _ in range(5):
        time.now += 10
        with pytest.raises(TooManyRequests):
            throttle.take("a")
    time.now += 10
    throttle.take("a")


def test_a_try_given_back_can_be_made_again(time):
    throttle = Throttle(1, 60, time)
    throttle.take("a")
    throttle.give_back("a")
    throttle.take("a")
    with pytest.raises(TooManyRequests):
        throttle.take("a")
    throttle.forget("a")
    throttle.take("a")


def test_memory_is_bounded_and_the_oldest_are_forgotten_first(time, monkeypatch):
    monkeypatch.setattr(module, "MAX_KEYS", 10)
    throttle = Throttle(1, 60, time)
    for number in range(30):
        throttle.take(number)
    assert len(throttle._windows) <= 10
    with pytest.raises(TooManyRequests):
        throttle.take(29)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_addresses_of_one_network_are_counted_together(address, counted):
    assert network(address) == counted
