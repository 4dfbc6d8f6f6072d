"""Which IP addresses are public, and a watch over connections of a process. Pure."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address

# Beyond what is_global of this Python excludes, which differs between versions
NOT_PUBLIC_IPV4 = tuple(
    map(
        ip_network,
        ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
    )
)
GLOBAL_IPV6 = ip_network("2000::/3")
# Special purposes, Teredo among them; documentation; 6to4
NOT_PUBLIC_IPV6 = tuple(
    map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
)
EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def is_public(address: Address) -> bool:
    """False as well for IPv6 addresses that embed an IPv4 address (mapped, compatible,
    NAT64, 6to4, Teredo): a gateway may lead them anywhere."""
    if isinstance(address, IPv6Address):
        is_reserved = any(address in network for network in NOT_PUBLIC_IPV6)
        return address in GLOBAL_IPV6 and not is_reserved
    is_special = any(address in network for network in NOT_PUBLIC_IPV4)
    return address.is_global and not address.is_multicast and not is_special


def plain(address: Address) -> Address:
    """Without the IPv6 notation of an IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def of_socket(sockaddr: Any) -> Address:
    """sockaddr: as getaddrinfo returns it."""
    return ip_address(str(sockaddr[0]).partition("%")[0])


def addresses_of(host: str, port: int) -> list[Address]:
    """None for a name without addresses."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [of_socket(each[4]) for each in found]


def watch(check: Callable[[str, int], None]) -> None:
    """From now on, check(host, port) is called before each connection and datagram of
    this process; what it raises prevents them. An audit hook sees the address itself,
    whichever library, redirect or DNS response it comes from."""

    def on_event(event: str, args: tuple[Any, ...]) -> None:
        if event in EVENTS and isinstance(args[1], tuple):
            check(*args[1][:2])

    sys.addaudithook(on_event)


def shown(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
