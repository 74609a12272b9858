"""Which network addresses the site may connect to: those of the public Internet, and those the settings allow.

A server inside the network would else answer whoever may enter a URL (SSRF): a database, a cloud's metadata service,
this site itself. What counts is the address connected to, not how the URL writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: never on the public Internet


def read_networks(texts: Sequence[str]) -> tuple[Any, ...]:
    """Return networks of texts such as ``10.0.0.0/8`` or ``192.0.2.7``.

    Raises:
        ValueError: one is none.
    """
    return tuple(ip_network(text, strict=False) for text in texts)


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def within(address: str, networks: Sequence[Any]) -> bool:
    """Whether an address, as text, is in one of the networks; an IPv4 address written as IPv6 is the IPv4 one."""
    try:
        found = _plain(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    return any(found in network for network in networks)


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet, also where IPv6 wraps an IPv4 one."""
    try:
        found = ip_address(address)  # one with a scope (%eth0) is local, and refused by what follows
    except ValueError:
        return False
    return all(_is_public(one) for one in (found, *_wrapped(found)))


def _is_public(address: Address) -> bool:
    local = isinstance(address, IPv6Address) and (address in LOCAL_NAT64 or address.is_site_local)
    wraps = bool(_wrapped(address))
    odd = address.is_multicast or (address.is_reserved and not wraps) or address.is_unspecified
    return not odd and not local and (address.is_global or wraps)


def _wrapped(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses an IPv6 one leads to: mapped, translated (NAT64), tunnelled (6to4, Teredo)."""
    if isinstance(address, IPv4Address):
        return ()
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64 or int(address) >> 32 == 0:  # ::a.b.c.d is the old, IPv4-compatible form
        found.append(last)
    return tuple(one for one in found if one is not None)


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
