"""Create, change and delete notification channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from common.exceptions import Conflict, Invalid
from common.problems import Problem, shorten, unknown_fields, wrong_type
from models_app.activity import Actor, record
from monitoring.alerts.delivery import channels
from monitoring.alerts.enums import ChannelKind
from monitoring.alerts.models import NotificationChannel
from monitoring.alerts.validation import text_problems

Fields = Mapping[str, Any]

# Of these kinds; others have nothing secret.
WITH_SECRET = (ChannelKind.WEBHOOK, ChannelKind.APPRISE)
CHECKED = ("name", "kind", "config", "language")


def problems(
    fields: Fields, *, instance: NotificationChannel | None = None
) -> list[Problem]:
    """What is wrong with a new channel, or with instance once fields are changed. An
    empty secret keeps the one that there is."""
    before = instance or NotificationChannel()
    after = {name: fields.get(name, getattr(before, name)) for name in CHECKED}
    found = [*_choices(after, instance)]
    if "name" in fields:
        found += [*text_problems("name", after["name"]), *_name_taken(after, before)]
    if any(problem.field == "kind" for problem in found):
        return found
    secret = fields.get("secret") or ""
    if secret and after["kind"] not in WITH_SECRET:
        found += unknown_fields(["secret"], [*CHECKED, "enabled"])
    if not isinstance(secret, str):
        found.append(wrong_type("secret", "…", "string"))
        return found
    return found + channels.check_channel(
        after["kind"], after["config"], secret or before.secret
    )


def create_channel(
    fields: Fields, actor: Actor = None
) -> tuple[NotificationChannel, str]:
    """The channel, and a webhook's secret, which nobody can read again. Raises Invalid
    alert_channel_name_taken when another request was faster."""
    secret = fields.get("secret") or ""
    if fields["kind"] == ChannelKind.WEBHOOK:
        secret = secret or channels.new_webhook_secret()
    with transaction.atomic():
        with _name_is_free(fields["name"]):
            channel = NotificationChannel.objects.create(**{**fields, "secret": secret})
        _record("alert_channel_created", channel, actor)
    return channel, secret if channel.kind == ChannelKind.WEBHOOK else ""


def update_channel(
    channel: NotificationChannel, fields: Fields, actor: Actor = None
) -> NotificationChannel:
    """Writes what differs and nothing else. Enabling forgets why the platform disabled
    it. Raises Invalid alert_channel_name_taken when another request was faster."""
    with transaction.atomic():
        current = NotificationChannel.objects.select_for_update().get(pk=channel.pk)
        changed = {
            name: value
            for name, value in fields.items()
            if getattr(current, name) != value and not (name == "secret" and not value)
        }
        for name, value in changed.items():
            setattr(current, name, value)
        if changed:
            if current.enabled:
                current.disabled_code = ""
            with _name_is_free(current.name):
                current.save(update_fields=[*changed, "disabled_code", "updated_at"])
            _record("alert_channel_changed", current, actor, fields=sorted(changed))
    channel.refresh_from_db()
    return channel


def delete_channel(channel: NotificationChannel, actor: Actor = None) -> None:
    """With its deliveries, also those that are queued."""
    with transaction.atomic():
        _record("alert_channel_deleted", channel, actor)
        channel.delete()


def rotate_secret(channel: NotificationChannel, actor: Actor = None) -> str:
    """The new secret. Raises Conflict unless it is a webhook."""
    if channel.kind != ChannelKind.WEBHOOK:
        raise Conflict("alert_channel_without_secret", channel=channel.name)
    with transaction.atomic():
        secret = channels.rotate_secret(channel)
        _record("alert_channel_rotated", channel, actor)
    return secret


def _choices(after: Fields, instance: NotificationChannel | None) -> Iterator[Problem]:
    if after["kind"] not in ChannelKind.values:
        params = {"value": shorten(str(after["kind"])), "allowed": ChannelKind.values}
        yield Problem(code="alert_channel_unknown_kind", field="kind", params=params)
    elif instance is not None and after["kind"] != instance.kind:
        params = {"value": after["kind"], "allowed": [instance.kind]}
        yield Problem(code="alert_channel_kind_fixed", field="kind", params=params)
    languages = [code for code, _ in settings.LANGUAGES]
    if after["language"] not in languages:
        params = {"value": shorten(str(after["language"])), "allowed": languages}
        code = "alert_channel_unknown_language"
        yield Problem(code=code, field="language", params=params)


def _name_taken(after: Fields, before: NotificationChannel) -> Iterator[Problem]:
    others = NotificationChannel.objects.exclude(pk=before.pk)
    if others.filter(name=after["name"]).exists():
        yield name_taken(after["name"])


def name_taken(name: str) -> Problem:
    params = {"value": name}
    return Problem(code="alert_channel_name_taken", field="name", params=params)


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise Invalid([name_taken(name)]) from None


def _record(
    code: str, channel: NotificationChannel, actor: Actor, **params: object
) -> None:
    record(code, actor=actor, params={"channel": channel.name, **params})
