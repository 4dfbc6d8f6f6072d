"""Create, change and delete alert rules. Callers validate with
monitoring.alerts.validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from common.exceptions import Invalid
from models_app.activity import Actor, record
from monitoring.alerts.models import AlertRule
from monitoring.alerts.validation import name_taken

Fields = Mapping[str, Any]


def create_rule(fields: Fields, actor: Actor = None) -> AlertRule:
    """channels: ids. Raises Invalid rule_name_taken when another request was faster."""
    columns, channels = _split(fields)
    with transaction.atomic():
        with _name_is_free(columns["name"]):
            rule = AlertRule.objects.create(**columns)
        rule.channels.set(channels or ())
        record("alert_rule_created", actor=actor, params={"rule": rule.name})
    return rule


def update_rule(rule: AlertRule, fields: Fields, actor: Actor = None) -> AlertRule:
    """Writes what differs and nothing else, so that its state is kept. Raises Invalid
    rule_name_taken when another request was faster."""
    columns, channels = _split(fields)
    with transaction.atomic():
        current = AlertRule.objects.select_for_update().get(pk=rule.pk)
        changed = {k: v for k, v in columns.items() if getattr(current, k) != v}
        names = sorted(changed)
        before = set(current.channels.values_list("pk", flat=True))
        if channels is not None and set(channels) != before:
            current.channels.set(channels)
            names.append("channels")
        if names:
            with _name_is_free(str(changed.get("name", ""))):
                now = timezone.now()
                AlertRule.objects.filter(pk=rule.pk).update(**changed, updated_at=now)
            params: dict[str, object] = {"rule": current.name, "fields": names}
            record("alert_rule_changed", actor=actor, params=params)
    rule.refresh_from_db()
    return rule


def delete_rule(rule: AlertRule, actor: Actor = None) -> None:
    """Its alerts stay; the evaluator ends those that are open."""
    with transaction.atomic():
        record("alert_rule_deleted", actor=actor, params={"rule": rule.name})
        rule.delete()


def _split(fields: Fields) -> tuple[dict[str, Any], list[int] | None]:
    columns = {name: value for name, value in fields.items() if name != "channels"}
    if "scope" in columns:
        columns["scope"] = list(dict.fromkeys(columns["scope"]))
    for name in ("threshold", "clear_threshold"):
        if columns.get(name) is not None:
            columns[name] = float(columns[name])
    return columns, fields.get("channels")


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise Invalid([name_taken(name)]) from None
