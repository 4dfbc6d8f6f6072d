"""Create and revoke API tokens. A token has the permissions of its user."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from knox.settings import knox_settings

from common import broker
from common.exceptions import AlreadyExists, Invalid
from common.problems import Problem, as_json, out_of_range, shorten, wrong_type
from common.storable import has_unstorable
from models_app.activity import Actor, event_of, record
from models_app.enums import TokenScope
from models_app.models import Activity, ApiToken, ServedModel
from models_app.tokens.scopes import allows

MAX_DAYS = 3650
NAME_LENGTH = 100
MAX_MODELS = 1000


def create_token(
    user: User,
    name: str,
    days: int | None = None,
    actor: Actor = None,
    scopes: Collection[str] = (),
    models: Collection[str] | None = None,
) -> tuple[ApiToken, str]:
    """The row, and the token itself, which is stored nowhere. days: the settings have
    the default. models: names of those it may use; None: any. Raises Invalid."""
    allowed = _models_by_name(models or ())
    if found := [
        *_problems(user, name, days),
        *_unknown_scopes(scopes),
        *(_unknown_model(model) for model in models or () if model not in allowed),
    ]:
        is_duplicate = all(each.code == "duplicate_token" for each in found)
        raise AlreadyExists(found) if is_duplicate else Invalid(found)
    expiry = {"expiry": timedelta(days=days)} if days else {}
    with transaction.atomic():
        try:
            with transaction.atomic():
                made, token = ApiToken.objects.create(
                    user=user, name=name, scopes=sorted(set(scopes)),
                    any_model=models is None, **expiry,
                )  # fmt: skip
        except IntegrityError:
            raise AlreadyExists([_duplicate(user, name)]) from None
        made.allowed_models.set(allowed.values())
        record("token_created", actor=actor, params=_params_of(made))
        broker.publish_change_on_commit()
    return made, token


def within(creator: ApiToken, fields: Mapping[str, Any]) -> dict[str, Any]:
    """fields: of a token that another one creates. It must not allow more, or last
    longer: revoking the one would be of no use. Raises Invalid."""
    fields, scopes = dict(fields), fields.get("scopes") or []
    own_models = creator.model_names
    if own_models is not None:
        models = fields.setdefault("models", own_models)
        if models is None or not set(models) <= set(own_models):
            raise Invalid([_models_beyond(own_models, models)])
    beyond = [scope for scope in scopes if not allows(creator.scopes, scope)]
    if creator.scopes and (beyond or not scopes):
        allowed = ", ".join(creator.scopes)
        raise Invalid([wrong_type("scopes", beyond or scopes, allowed)])
    if creator.expiry is not None:
        left = (creator.expiry - timezone.now()).days
        if fields.get("days", left) > left or left < 1:
            raise Invalid([out_of_range("days", fields.get("days", 1), 1, left)])
        default = knox_settings.TOKEN_TTL.days
        fields["days"] = fields.get("days", min(left, default))
    return fields


def delete_token(token: ApiToken, actor: Actor = None) -> None:
    delete_tokens(ApiToken.objects.filter(pk=token.pk), actor)


def delete_tokens(tokens: QuerySet[ApiToken], actor: Actor = None) -> int:
    """How many there were. Row by row, ten thousand would take minutes."""
    with transaction.atomic():
        found = list(tokens.select_related("user").select_for_update(of=("self",)))
        Activity.objects.bulk_create(
            event_of("token_deleted", actor=actor, params=_params_of(token))
            for token in found
        )
        ApiToken.objects.filter(pk__in=[token.pk for token in found]).delete()
        if found:
            broker.publish_change_on_commit()
    return len(found)


def delete_tokens_of(user: User, actor: Actor = None) -> None:
    delete_tokens(ApiToken.objects.filter(user=user), actor)


def delete_expired_tokens(now: datetime) -> int:
    """Those that expired EXPIRED_TOKEN_DAYS ago. now: common.retention's, because a
    wrong clock must not delete any."""
    oldest = now - timedelta(days=settings.EXPIRED_TOKEN_DAYS)
    return delete_tokens(ApiToken.objects.filter(expiry__lt=oldest))


def _params_of(token: ApiToken) -> dict[str, object]:
    return {"name": token.name, "user": token.user.get_username()}


def _problems(user: User, name: str, days: int | None) -> Iterator[Problem]:
    if not user.is_active:
        params = {"value": user.get_username()}
        yield Problem(code="inactive_user", field="user", params=params)
    if not name.strip() or len(name) > NAME_LENGTH:
        yield wrong_type("name", name, f"1 to {NAME_LENGTH} characters")
    if days is not None and not 1 <= days <= MAX_DAYS:
        yield out_of_range("days", days, 1, MAX_DAYS)
    if ApiToken.objects.filter(user=user, name=name).exists():
        yield _duplicate(user, name)


def _unknown_scopes(scopes: Collection[str]) -> Iterator[Problem]:
    for scope in scopes:
        if scope not in TokenScope.values:
            allowed = ", ".join(TokenScope.values)
            yield wrong_type("scopes", scope, allowed)


def _models_by_name(names: Collection[str]) -> dict[str, ServedModel]:
    """Those that exist."""
    storable = [name for name in names if not has_unstorable(name)]
    found = ServedModel.objects.only("name").filter(name__in=storable)
    return {model.name: model for model in found}


def _unknown_model(name: str) -> Problem:
    params = {"value": shorten(name)}
    return Problem(code="no_such_model", field="models", params=params)


def _models_beyond(own: list[str], models: list[str] | None) -> Problem:
    params = {"allowed": as_json(own), "value": as_json(models)}
    return Problem(code="models_beyond_token", field="models", params=params)


def _duplicate(user: User, name: str) -> Problem:
    params = {"user": user.get_username(), "value": name}
    return Problem(code="duplicate_token", field="name", params=params)
