"""Create, change and delete limits. Callers validate with models_app.limits.validation.

Gateways apply a change as soon as they have reloaded their routing tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from common import broker
from common.exceptions import Conflict, Invalid
from models_app.activity import Actor, event_of, record
from models_app.limits.models import RANGES, Limit
from models_app.limits.validation import taken
from models_app.models import Activity

Fields = Mapping[str, Any]


def create_limit(fields: Fields, actor: Actor = None) -> Limit:
    """Raises Invalid limit_exists when another request was faster."""
    limit = Limit(**fields)
    with transaction.atomic():
        try:
            with transaction.atomic():
                limit.save(force_insert=True)
        except IntegrityError:
            raise Invalid([taken(limit.subject)]) from None
        changed = [name for name in RANGES if getattr(limit, name) is not None]
        _record("limit_created", limit, actor, fields=changed)
        broker.publish_change_on_commit()
    return limit


def update_limit(limit: Limit, fields: Fields, actor: Actor = None) -> Limit:
    """Writes what differs and nothing else. Raises Conflict when the limit is gone, or
    when two changes break a rule only together."""
    numbers = {name: value for name, value in fields.items() if name in RANGES}
    with transaction.atomic():
        rows = Limit.objects.filter(pk=limit.pk)
        current = rows.select_for_update().first()
        if current is None:
            raise Conflict("limit_conflict")
        changed = {k: v for k, v in numbers.items() if getattr(current, k) != v}
        if changed:
            try:
                with transaction.atomic():
                    rows.update(**changed, updated_at=timezone.now())
            except IntegrityError:
                raise Conflict("limit_conflict") from None
            _record("limit_changed", current, actor, fields=sorted(changed))
            broker.publish_change_on_commit()
    limit.refresh_from_db()
    return limit


def delete_limit(limit: Limit, actor: Actor = None) -> None:
    delete_limits([limit], actor)


def delete_limits(limits: Iterable[Limit], actor: Actor = None) -> None:
    keys = [limit.pk for limit in limits]
    with transaction.atomic():
        found = list(Limit.objects.filter(pk__in=keys).select_for_update())
        Activity.objects.bulk_create(
            event_of("limit_deleted", actor=actor, params=_params_of(limit))
            for limit in found
        )
        Limit.objects.filter(pk__in=[limit.pk for limit in found]).delete()
        broker.publish_change_on_commit()


def _record(code: str, limit: Limit, actor: Actor, **params: object) -> None:
    record(code, actor=actor, params={**_params_of(limit), **params})


def _params_of(limit: Limit) -> dict[str, object]:
    return {"subject": limit.subject, "name": limit.subject_name}
