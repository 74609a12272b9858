"""Conditions of the moment (`when` of grants): a second factor, the way, the network, the time of day.

They are looked at once per request, when it is known who asks and from where. What holds goes along with the actor, and
is part of what rules and statements are cached by. An actor nobody looked at so has none of it: denied by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address, ip_network

from xrm.kernel.change import Actor
from xrm.metadata.model import Model, When

MARK = "\0when:"  # no role of a model can have a name that begins so


def conditions(model: Model) -> tuple[When, ...]:
    """Return all conditions that grants of a model make, each once."""
    said = (grant.when for role in model.roles.values() for grant in role.grants if grant.when != When())
    return tuple(dict.fromkeys(said))


def tag(when: When) -> str:
    """Return by what a condition is known among those that hold."""
    return f"{MARK}{when!r}"


def situated(actor: Actor, conditions: Iterable[When], now: datetime) -> Actor:
    """Return the actor with the conditions that hold; `now` is in the site's time zone."""
    return replace(actor, met=frozenset(tag(when) for when in conditions if _holds(when, actor, now)))


def _holds(when: When, actor: Actor, now: datetime) -> bool:
    return (
        (actor.mfa or not when.mfa)
        and (not when.channel or actor.channel in when.channel)
        and (not when.network or _within(when.network, actor.address))
        and (not when.hours or _during(when.hours, f"{now:%H:%M}"))
    )


def _within(networks: tuple[str, ...], address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    known = getattr(found, "ipv4_mapped", None) or found
    return any(known in ip_network(text) for text in networks)


def _during(hours: str, now: str) -> bool:
    begin, _, end = hours.partition("-")
    return begin <= now < end if begin < end else now >= begin or now < end
