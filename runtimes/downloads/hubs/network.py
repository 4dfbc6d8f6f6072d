"""The addresses that a download may connect to, and the memory it may take. Pure.

A hub decides where its files come from: without limits it could have the platform fetch
from this machine or from the network behind it.
"""

from __future__ import annotations

import resource
import socket
import sys
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from runtimes.downloads.hubs.remote import Failed

# Compressed listings can be a thousand times as large in memory.
MAX_MEMORY_MIB = 768
# Local proxies (Clash, Surge) resolve every name to an address of this network.
FAKE_ADDRESSES = ip_network("198.18.0.0/15")
DEFAULT_PORTS = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address
Site = tuple[str, int]


def limit_memory() -> None:
    """More raises MemoryError."""
    most = MAX_MEMORY_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def guard(endpoint: str, networks: Sequence[str]) -> None:
    """From now on, connections of this process to addresses that are not public raise
    Failed, except to the endpoint, the proxies and these networks. An audit hook sees
    the address itself, whichever library, redirect or DNS response it comes from."""
    proxies = [url for scheme, url in getproxies().items() if scheme != "no"]
    trusted = [site_of(url) for url in (endpoint, *proxies)]
    admitted = [ip_network(text) for text in networks]

    def on_event(event: str, args: tuple[Any, ...]) -> None:
        if event != "socket.connect" or not isinstance(args[1], tuple):
            return
        host, port = args[1][:2]
        for address in addresses_of(host, port):
            is_admitted = is_public(address) or any(address in net for net in admitted)
            if not is_admitted and (address, port) not in set(resolved(trusted)):
                shown = f"[{address}]" if address.version == 6 else str(address)
                raise Failed("address_refused", address=f"{shown}:{port}")

    sys.addaudithook(on_event)


def resolved(sites: Sequence[Site]) -> Iterator[tuple[Address, int]]:
    for host, port in sites:
        yield from ((address, port) for address in addresses_of(host, port))


def addresses_of(host: str, port: int) -> list[Address]:
    """None for a name without addresses."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [plain(ip_address(str(each[4][0]).partition("%")[0])) for each in found]


def plain(address: Address) -> Address:
    """Without the IPv6 notation of an IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_public(address: Address) -> bool:
    return address.is_global or address in FAKE_ADDRESSES


def site_of(url: str) -> Site:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    return parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
