"""The addresses that a download may connect to, and the memory it may take. Pure.

A hub decides where its files come from: without limits it could have the platform fetch
from this machine or from the network behind it.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from common.network import addresses
from common.network.addresses import Address, addresses_of, plain
from runtimes.downloads.hubs.remote import Failed

# Compressed listings can be a thousand times as large in memory.
MAX_MEMORY_MIB = 768
# Local proxies (Clash, Surge) resolve every name to an address of this network.
FAKE_ADDRESSES = ip_network("198.18.0.0/15")
DEFAULT_PORTS = {"http": 80, "https": 443}

Site = tuple[str, int]


def limit_memory() -> None:
    """More raises MemoryError."""
    most = MAX_MEMORY_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def guard(endpoint: str, networks: Sequence[str]) -> None:
    """From now on, connections of this process to addresses that are not public raise
    Failed, except to the endpoint, the proxies and these networks."""
    proxies = [url for scheme, url in getproxies().items() if scheme != "no"]
    trusted = [site_of(url) for url in (endpoint, *proxies)]
    admitted = [ip_network(text) for text in networks]

    def check(host: str, port: int) -> None:
        for address in map(plain, addresses_of(host, port)):
            is_admitted = is_public(address) or any(address in net for net in admitted)
            if not is_admitted and (address, port) not in set(resolved(trusted)):
                raise Failed("address_refused", address=addresses.shown(address, port))

    addresses.watch(check)


def resolved(sites: Sequence[Site]) -> Iterator[tuple[Address, int]]:
    for host, port in sites:
        yield from ((plain(address), port) for address in addresses_of(host, port))


def is_public(address: Address) -> bool:
    return addresses.is_public(address) or address in FAKE_ADDRESSES


def site_of(url: str) -> Site:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    return parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 80)
