"""Addresses of clients: an IPv6 socket shows IPv4 clients as ::ffff:10.0.0.1."""

from __future__ import annotations

from ipaddress import IPv6Address

from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App

MAPPED = "::ffff:"


def show_ipv4(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client and client[0].startswith(MAPPED):
            scope["client"] = (unmapped(client[0]), *client[1:])
        await app(scope, receive, send)

    return application


def unmapped(address: str) -> str:
    return str(IPv6Address(address).ipv4_mapped or address)
