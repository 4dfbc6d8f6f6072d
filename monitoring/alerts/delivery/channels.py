"""What people do with notification channels: check, rotate the secret, send a test."""

from __future__ import annotations

import base64
import binascii
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from common import jobs
from common.network.addresses import of_socket
from common.problems import Problem, shorten, unknown_fields, wrong_type
from models_app.activity import Actor
from monitoring.alerts.delivery import webhook
from monitoring.alerts.delivery.apprise_url import is_known
from monitoring.alerts.delivery.network import Failed, Policy
from monitoring.alerts.delivery.webhook import SECRET_PREFIX
from monitoring.alerts.enums import ChannelKind, DeliveryKind
from monitoring.alerts.models import Delivery, NotificationChannel

MAX_RECIPIENTS = 20
MAX_URL_CHARS = 2000
SECRET_BYTES = range(24, 65)
SCHEMES = ("http", "https")
# The old secret signs as well for so long.
ROTATION = timedelta(hours=24)
# Neither belongs into a URL; both are a start of another header or line.
UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]")
AUTHORITY_END = re.compile(r"[/?#]")
FIELDS = {ChannelKind.MAIL: ["recipients"], ChannelKind.WEBHOOK: ["url"]}

new_webhook_secret = webhook.new_secret


def check_channel(kind: str, config: Any, secret: str = "") -> list[Problem]:
    """secret: empty where none is given."""
    if not isinstance(config, dict):
        return [wrong_type("config", config, "object")]
    known = FIELDS.get(ChannelKind(kind), [])
    problems = [
        Problem(code=p.code, field=f"config.{p.field}", params=p.params)
        for p in unknown_fields(config, known)
    ]
    problems += [_missing(f"config.{name}") for name in known if name not in config]
    if not problems:
        problems = list(_problems(ChannelKind(kind), config, secret))
    return problems


def rotate_secret(channel: NotificationChannel) -> str:
    """The new secret. Raises ValueError unless it is a webhook."""
    if channel.kind != ChannelKind.WEBHOOK:
        raise ValueError(channel.kind)
    with transaction.atomic():
        locked = NotificationChannel.objects.select_for_update().get(pk=channel.pk)
        channel.previous_secret = locked.secret
        channel.previous_secret_until = timezone.now() + ROTATION
        channel.secret = secret = new_webhook_secret()
        channel.save(
            update_fields=[
                "secret", "previous_secret", "previous_secret_until", "updated_at",
            ]
        )  # fmt: skip
    return secret


def submit_test(channel: NotificationChannel, actor: Actor = None) -> Delivery:
    """The one that is under way already, if any. It is tried once."""
    with transaction.atomic():
        NotificationChannel.objects.select_for_update().get(pk=channel.pk)
        under_way = Delivery.objects.filter(
            channel=channel,
            kind=DeliveryKind.TEST,
            state__in=Delivery.states.OPEN,
        ).first()
        if under_way is not None:
            return under_way
        return jobs.submit(Delivery(channel=channel, kind=DeliveryKind.TEST), actor)


def _problems(kind: ChannelKind, config: Any, secret: str) -> Iterator[Problem]:
    if kind == ChannelKind.MAIL:
        yield from _of_recipients(config["recipients"])
    elif kind == ChannelKind.WEBHOOK:
        yield from _of_url(config["url"])
        if secret and not is_webhook_secret(secret):
            yield Problem(code="channel_secret_invalid", field="secret")
    elif kind == ChannelKind.APPRISE:
        yield from _of_apprise(secret)


def _of_recipients(recipients: Any) -> Iterator[Problem]:
    field = "config.recipients"
    if not isinstance(recipients, list):
        yield wrong_type(field, recipients, "list")
    elif not 1 <= len(recipients) <= MAX_RECIPIENTS:
        params: dict[str, object] = {"value": len(recipients), "max": MAX_RECIPIENTS}
        yield Problem(code="channel_recipients_limit", field=field, params=params)
    else:
        for address in recipients:
            if not _is_mail_address(address):
                params = {"value": shorten(str(address))}
                yield Problem(
                    code="channel_recipient_invalid", field=field, params=params
                )


def _is_mail_address(text: object) -> bool:
    if not isinstance(text, str) or UNFIT.search(text):
        return False
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


def _of_url(text: Any) -> Iterator[Problem]:
    field = "config.url"
    if not isinstance(text, str):
        yield wrong_type(field, text, "string")
        return
    url = _parsed(text)
    if url is None:
        yield Problem(code="channel_url_invalid", field=field)
    elif "@" in AUTHORITY_END.split(text.partition("://")[2])[0]:
        yield Problem(code="channel_url_has_credentials", field=field)
    elif (address := _refused_literal(url)) is not None:
        params: dict[str, object] = {"address": address}
        yield Problem(code="delivery_address_refused", field=field, params=params)


def _parsed(text: str) -> Url | None:
    """None unless it is an address of HTTP."""
    if len(text) > MAX_URL_CHARS or UNFIT.search(text) or "\\" in text:
        return None
    try:
        url = parse_url(text)
    except (HTTPError, ValueError):
        return None
    is_http = url.scheme in SCHEMES and bool(url.host) and "://" in text
    return url if is_http and url.port != 0 else None


def _refused_literal(url: Url) -> str | None:
    """The address, if the host is one in any notation; names are resolved later."""
    host = (url.host or "").strip("[]")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, UnicodeError):
        return None
    try:
        for each in found:
            address = str(of_socket(each[4]))
            Policy(settings.WEBHOOK_ALLOWED_NETWORKS).check(address, port)
    except Failed as failure:
        return str(failure.params["address"])
    return None


def is_webhook_secret(text: str) -> bool:
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return encoded != text and len(key) in SECRET_BYTES


def _of_apprise(url: str) -> Iterator[Problem]:
    """The URL is a secret: it is not in the message."""
    if not url:
        yield _missing("secret")
    elif len(url) > MAX_URL_CHARS or UNFIT.search(url) or not _is_known(url):
        yield Problem(code="channel_apprise_url_invalid", field="secret")


def _is_known(url: str) -> bool:
    """True if the check itself failed: the test message will show."""
    try:
        return is_known(url)
    except Failed:
        return True


def _missing(field: str) -> Problem:
    return Problem(code="missing_key", field=field, params={"key": field})
