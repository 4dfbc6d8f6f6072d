"""System checks of the settings. Every command runs them, so nothing starts with a
configuration that cannot work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from email.utils import parseaddr
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from common.network.sockets import MAX_PATH_BYTES, longest_socket
from runtimes.frameworks.paths import responding

MAX_API_PROCESSES = 64
WEEK_MINUTES = 7 * 24 * 60
PASSWORD_SHORTEST = 8
UNKNOWN_FIELDS = ("reject", "drop")
URL_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
CURRENCY = re.compile(r"[A-Z]{3}")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+")
NETWORKS = ("METRICS_NETWORKS", "DOWNLOAD_NETWORKS", "WEBHOOK_ALLOWED_NETWORKS")
CLIENT_LIMITS = (
    "HEADER_SECONDS",
    "BODY_SECONDS",
    "KEEP_ALIVE_SECONDS",
    "CONNECTIONS_PER_ADDRESS",
    "CONNECTIONS_PER_TOKEN",
    "WEBSOCKETS_PER_TOKEN",
    "MODEL_ROOT_SECONDS",
)


@register()
def configuration(app_configs: Any, **_: Any) -> list[CheckMessage]:
    return [message for check in CHECKS for message in check()]


def broker_socket() -> Iterator[CheckMessage]:
    length = len(os.fsencode(settings.EMBEDDED_BROKER_SOCKET))
    if settings.EMBEDDED_BROKER and length > MAX_PATH_BYTES:
        yield Error(
            f"{settings.EMBEDDED_BROKER_SOCKET} has {length} bytes; a Unix socket's"
            f" path may have at most {MAX_PATH_BYTES}.",
            hint="Choose a shorter DATA_DIR, or set REDIS_URL.",
            id="llmplatform.E001",
        )


def engine_sockets() -> Iterator[CheckMessage]:
    path = longest_socket(settings.RUNS_DIR)
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        yield Error(
            f"{path}, the socket of an engine, has {length} bytes; a Unix socket's path"
            f" may have at most {MAX_PATH_BYTES}.",
            hint="Choose a shorter DATA_DIR.",
            id="llmplatform.E015",
        )


def data_dir() -> Iterator[CheckMessage]:
    if not os.access(settings.DATA_DIR, os.R_OK | os.W_OK | os.X_OK):
        yield Error(
            f"DATA_DIR {settings.DATA_DIR} is not a writable directory.",
            hint="Change its owner, or set another DATA_DIR.",
            id="llmplatform.E002",
        )


def model_roots() -> Iterator[CheckMessage]:
    runs = settings.RUNS_DIR.resolve()
    for root in map(Path.resolve, responding(settings.MODEL_ROOTS)):
        if root.is_relative_to(runs) or runs.is_relative_to(root):
            yield Error(
                f"The model folder {root} and {runs} overlap: files written by engines"
                " could be served as models.",
                hint="Remove it from MODEL_ROOTS, or set another DATA_DIR.",
                id="llmplatform.E003",
            )


def ports() -> Iterator[CheckMessage]:
    server_ports = {"WEB_PORT": settings.WEB_PORT, "API_PORT": settings.API_PORT}
    for name, port in server_ports.items():
        if not 1 <= port <= 65535:
            yield Error(
                f"{name} is {port}.", hint="Use 1 to 65535.", id="llmplatform.E004"
            )
        if port in settings.ENGINE_PORTS:
            yield Error(
                f"{name} {port} is in the range of the engines' ports.",
                hint="Change it, or ENGINE_PORT_FIRST and ENGINE_PORT_LAST.",
                id="llmplatform.E005",
            )
    if settings.WEB_PORT == settings.API_PORT:
        yield Error(
            f"WEB_PORT and API_PORT are both {settings.WEB_PORT}.",
            hint="Each of the two servers needs its own port.",
            id="llmplatform.E006",
        )


def api_processes() -> Iterator[CheckMessage]:
    if not 1 <= settings.API_PROCESSES <= MAX_API_PROCESSES:
        yield Error(
            f"API_PROCESSES is {settings.API_PROCESSES}.",
            hint=f"Use 1 to {MAX_API_PROCESSES}; one per core is plenty.",
            id="llmplatform.E110",
        )


def engine_ports() -> Iterator[CheckMessage]:
    ports = settings.ENGINE_PORTS
    if not ports or ports[0] < 1 or ports[-1] > 65535:
        yield Error(
            f"ENGINE_PORT_FIRST {ports.start} to ENGINE_PORT_LAST {ports.stop - 1}"
            " is not a range of ports.",
            hint="Use 1 to 65535, the first not greater than the last.",
            id="llmplatform.E007",
        )


def networks() -> Iterator[CheckMessage]:
    for name in NETWORKS:
        for text in getattr(settings, name):
            try:
                ip_network(text)
            except ValueError as error:
                yield Error(
                    f"{name}: {error}.",
                    hint="Use networks such as 10.1.2.0/24, separated by commas.",
                    id="llmplatform.E008",
                )


def gateway() -> Iterator[CheckMessage]:
    if settings.GATEWAY_UNKNOWN_FIELDS not in UNKNOWN_FIELDS:
        yield Error(
            f"GATEWAY_UNKNOWN_FIELDS is {settings.GATEWAY_UNKNOWN_FIELDS!r}.",
            hint=f"Use {' or '.join(UNKNOWN_FIELDS)}.",
            id="llmplatform.E009",
        )
    if settings.RESPONSE_CACHE_BYTES < 0:
        yield Error(
            f"RESPONSE_CACHE_BYTES is {settings.RESPONSE_CACHE_BYTES}.",
            hint="Use a number of bytes, or 0 to keep no answers.",
            id="llmplatform.E011",
        )


# What browsers' preload lists demand
PRELOAD_S = 31_536_000


def hsts() -> Iterator[CheckMessage]:
    if settings.SECURE_HSTS_SECONDS < 0:
        yield Error(
            f"HSTS_SECONDS is {settings.SECURE_HSTS_SECONDS}.",
            hint="Use 0 for no HSTS, or a number of seconds.",
            id="llmplatform.E040",
        )
    elif settings.SECURE_HSTS_PRELOAD and not (
        settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
        and settings.SECURE_HSTS_SECONDS >= PRELOAD_S
    ):
        yield Error(
            "HSTS_PRELOAD needs HTTPS=1, HSTS_INCLUDE_SUBDOMAINS=1 and HSTS_SECONDS of"
            f" {PRELOAD_S} or more.",
            hint="Set them, or remove HSTS_PRELOAD.",
            id="llmplatform.E041",
        )


def request_limit() -> Iterator[CheckMessage]:
    if settings.MAX_REQUESTS_PER_TOKEN < 0:
        yield Error(
            f"MAX_REQUESTS_PER_TOKEN is {settings.MAX_REQUESTS_PER_TOKEN}.",
            hint="Use 1 or more, or 0 for no limit.",
            id="llmplatform.E010",
        )


def serving_without_database() -> Iterator[CheckMessage]:
    minutes = settings.SERVE_WITHOUT_DATABASE_MINUTES
    if not 1 <= minutes <= WEEK_MINUTES:
        yield Error(
            f"SERVE_WITHOUT_DATABASE_MINUTES is {minutes}.",
            hint=f"Use 1 to {WEEK_MINUTES}.",
            id="llmplatform.E012",
        )


def accounts() -> Iterator[CheckMessage]:
    if settings.SESSION_COOKIE_AGE < 60:
        yield Error(
            f"SESSION_IDLE_MINUTES is {settings.SESSION_COOKIE_AGE // 60}.",
            hint="Use 1 or more.",
            id="llmplatform.E050",
        )
    if settings.PASSWORD_MIN_LENGTH < PASSWORD_SHORTEST:
        yield Error(
            f"PASSWORD_MIN_LENGTH is {settings.PASSWORD_MIN_LENGTH}.",
            hint=f"Use {PASSWORD_SHORTEST} or more.",
            id="llmplatform.E051",
        )
    for name, value in (
        ("SIGN_IN_ATTEMPTS", settings.AXES_FAILURE_LIMIT),
        ("SIGN_IN_LOCK_MINUTES", settings.SIGN_IN_LOCK_MINUTES),
    ):
        if value < 1:
            yield Error(
                f"{name} is {value}.", hint="Use 1 or more.", id="llmplatform.E053"
            )
    if settings.EXPIRED_TOKEN_DAYS < 0:
        yield Error(
            f"EXPIRED_TOKEN_DAYS is {settings.EXPIRED_TOKEN_DAYS}.",
            hint="Use 0 or more.",
            id="llmplatform.E052",
        )


def usage() -> Iterator[CheckMessage]:
    if settings.USAGE_DAYS < 1:
        yield Error(
            f"USAGE_DAYS is {settings.USAGE_DAYS}.",
            hint="Use 1 or more.",
            id="llmplatform.E100",
        )
    if not CURRENCY.fullmatch(settings.CURRENCY):
        yield Error(
            f"CURRENCY is {settings.CURRENCY!r}.",
            hint="Use a code of ISO 4217, such as CNY, EUR or USD.",
            id="llmplatform.E101",
        )


def url_prefix() -> Iterator[CheckMessage]:
    if not URL_PREFIX.fullmatch(settings.URL_PREFIX):
        yield Error(
            f"URL_PREFIX is {settings.URL_PREFIX!r}.",
            hint="Use a path such as /llm: a slash, then letters, digits and -._~/.",
            id="llmplatform.E042",
        )


def cors_origins() -> Iterator[CheckMessage]:
    for origin in settings.CORS_ORIGINS:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            yield Error(
                f"CORS_ORIGINS: {origin!r} is not an origin.",
                hint="Use scheme, host and port as browsers send them, such as"
                " https://app.example.com, or * for any.",
                id="llmplatform.E043",
            )


def mail() -> Iterator[CheckMessage]:
    if settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL:
        yield Error(
            "EMAIL_USE_TLS and EMAIL_USE_SSL are both set.",
            hint="Use EMAIL_USE_TLS for STARTTLS (port 587), EMAIL_USE_SSL for TLS from"
            " the start (port 465).",
            id="llmplatform.E054",
        )
    if not 1 <= settings.EMAIL_PORT <= 65535:
        yield Error(
            f"EMAIL_PORT is {settings.EMAIL_PORT}.",
            hint="Use 1 to 65535.",
            id="llmplatform.E055",
        )
    _name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    local, _, domain = address.partition("@")
    is_one_line = settings.DEFAULT_FROM_EMAIL.isprintable()
    if not (local and domain and is_one_line):
        yield Error(
            f"DEFAULT_FROM_EMAIL is {settings.DEFAULT_FROM_EMAIL!r}.",
            hint="Use an address such as llm@example.com, or LLM <llm@example.com>.",
            id="llmplatform.E056",
        )
    if bool(settings.EMAIL_HOST_USER) != bool(settings.EMAIL_HOST_PASSWORD):
        yield Error(
            "Of EMAIL_HOST_USER and EMAIL_HOST_PASSWORD, only one is set.",
            hint="Set both, or neither for a mail server that needs no sign-in.",
            id="llmplatform.E058",
        )


def public_url() -> Iterator[CheckMessage]:
    url = settings.PUBLIC_URL
    if url and not (ORIGIN.fullmatch(url) and url.startswith(("http://", "https://"))):
        yield Error(
            f"PUBLIC_URL is {url!r}.",
            hint="Use scheme, host and port of the pages, such as"
            " https://llm.example.com, without URL_PREFIX.",
            id="llmplatform.E057",
        )


def bind() -> Iterator[CheckMessage]:
    try:
        ip_address(settings.BIND.strip("[]"))
    except ValueError as error:
        yield Error(
            f"BIND: {error}.",
            hint="Use an address such as 127.0.0.1, 0.0.0.0 or [::].",
            id="llmplatform.E020",
        )


def client_limits() -> Iterator[CheckMessage]:
    for name in CLIENT_LIMITS:
        if (value := getattr(settings, name)) < 1:
            yield Error(
                f"{name} is {value}.",
                hint="Use a number greater than 0.",
                id="llmplatform.E021",
            )


CHECKS: tuple[Callable[[], Iterator[CheckMessage]], ...] = (
    broker_socket,
    engine_sockets,
    data_dir,
    model_roots,
    ports,
    api_processes,
    engine_ports,
    networks,
    gateway,
    hsts,
    url_prefix,
    cors_origins,
    request_limit,
    serving_without_database,
    accounts,
    usage,
    mail,
    public_url,
    bind,
    client_limits,
)
