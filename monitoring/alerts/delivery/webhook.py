"""Webhooks as https://www.standardwebhooks.com describes them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import time
from http.client import HTTPException

import urllib3
from django.conf import settings
from django.utils import timezone
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from monitoring.alerts.delivery.network import Attempt, Failed
from monitoring.alerts.delivery.notification import SHOWN, Notification
from monitoring.alerts.models import NotificationChannel

MAX_BYTES = 20_000
SECRET_PREFIX = "whsec_"  # noqa: S105 -- of the standard
SECRET_BYTES = 32
MOST_WAIT_S = 36_000
GONE = 410
THROTTLED = frozenset({429, 502, 503, 504})


def new_secret() -> str:
    key = secrets.token_bytes(SECRET_BYTES)
    return SECRET_PREFIX + base64.b64encode(key).decode()


def send(
    channel: NotificationChannel, notification: Notification, attempt: Attempt
) -> int:
    """The status of the response; its body is not read. Raises Failed."""
    keys = signing_secrets(channel)
    if not keys:
        raise Failed("channel_secret_missing")
    url = parse_url(str(channel.config["url"]))
    body = content(notification)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"llmplatform/{settings.VERSION}",
        **signature_headers(notification.uid, body, keys),
    }
    try:
        status, wait_s = _post(url, body, headers, attempt)
    except OSError:
        raise
    except (HTTPError, HTTPException) as error:
        if attempt.is_over:
            raise attempt.failure_of(error) from None
        raise Failed("webhook_not_http", passing=True, host=attempt.host) from None
    if not 200 <= status < 300:
        raise _of_status(status, wait_s)
    return status


def signing_secrets(channel: NotificationChannel) -> list[str]:
    """Of a channel whose secret has been replaced lately: both."""
    found = [channel.secret]
    until = channel.previous_secret_until
    if channel.previous_secret and until and until > timezone.now():
        found.append(channel.previous_secret)
    return [each for each in found if each]


def content(notification: Notification) -> bytes:
    """JSON, with as many alerts as fit."""
    for shown in range(SHOWN, -1, -1):
        data = notification.as_json(shown)
        body = json.dumps(data, ensure_ascii=False).encode(errors="replace")
        if len(body) < MAX_BYTES:
            break
    return body


def signature_headers(uid: str, body: bytes, keys: list[str]) -> dict[str, str]:
    now = str(int(time.time()))
    signed = f"{uid}.{now}.".encode() + body
    return {
        "webhook-id": uid,
        "webhook-timestamp": now,
        "webhook-signature": " ".join(f"v1,{_sign(key, signed)}" for key in keys),
    }


def _sign(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class _Http(HTTPConnection):
    attempt: Attempt

    def _new_conn(self) -> socket.socket:
        return self.attempt.connect(self._dns_host, self.port)


class _Https(HTTPSConnection):
    attempt: Attempt

    def _new_conn(self) -> socket.socket:
        return self.attempt.connect(self._dns_host, self.port)


def _post(
    url: Url, body: bytes, headers: dict[str, str], attempt: Attempt
) -> tuple[int, float]:
    host = (url.host or "").strip("[]")
    connection: _Http | _Https
    if url.scheme == "https":
        context = ssl.create_default_context()
        connection = _Https(
            host, url.port or 443, timeout=attempt.remaining, ssl_context=context
        )
    else:
        connection = _Http(host, url.port or 80, timeout=attempt.remaining)
    connection.attempt = attempt
    try:
        connection.request(
            "POST", url.request_uri, body, headers, preload_content=False
        )
        response = connection.getresponse()
        return response.status, _retry_after(response.headers.get("Retry-After"))
    finally:
        connection.close()


def _retry_after(value: str | None) -> float:
    """Seconds, given as such or as a date; 0 for anything else."""
    try:
        retry = urllib3.Retry(retry_after_max=MOST_WAIT_S)
        return retry.parse_retry_after(value) if value else 0.0
    except (HTTPError, ValueError, OverflowError):
        return 0.0


def _of_status(status: int, wait_s: float) -> Failed:
    if status == GONE:
        return Failed("webhook_gone", status=status)
    if 300 <= status < 400:
        return Failed("webhook_redirected", passing=True, status=status)
    wait_s = wait_s if status in THROTTLED else 0.0
    return Failed("webhook_status", passing=True, status=status, wait_s=wait_s)
