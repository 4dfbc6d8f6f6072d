"""Record what happened, in the transaction of what happened."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from common.requests import client_address, current_request
from models_app.models import Activity, Run, ServedModel
from models_app.querysets import ActivityQuerySet

# Of people and their sessions: for those who may view users. Others see what models do.
ACCOUNT_CODES = (
    "signed_in", "signed_out", "sign_in_failed", "sign_in_locked",
    "credentials_rejected", "account_created", "account_changed", "account_deleted",
    "password_changed", "permissions_changed", "group_created", "group_changed",
    "group_deleted",
)  # fmt: skip
VIEW_USERS = "auth.view_user"

Actor = User | AnonymousUser | None


def visible_to(user: User | AnonymousUser) -> ActivityQuerySet:
    events = Activity.objects.all()
    if user.has_perm(VIEW_USERS):
        return events
    return events.exclude(code__in=ACCOUNT_CODES)


def address_of(request: HttpRequest | None) -> str:
    """Empty: there is no request, or its client has no address."""
    if request is None:
        return ""
    return client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        trusts_proxy=settings.TRUST_PROXY,
    )


def record(
    code: str,
    *,
    model: ServedModel | None = None,
    run: Run | None = None,
    actor: Actor = None,
    reason: tuple[str, dict[str, object]] = ("", {}),
    params: dict[str, object] | None = None,
    address: str = "",
) -> Activity:
    """address: of the client, where the current request does not tell it."""
    event = event_of(
        code, model=model, run=run, actor=actor, reason=reason, params=params,
        address=address,
    )  # fmt: skip
    event.save(force_insert=True)
    return event


def event_of(
    code: str,
    *,
    model: ServedModel | None = None,
    run: Run | None = None,
    actor: Actor = None,
    reason: tuple[str, dict[str, object]] = ("", {}),
    params: dict[str, object] | None = None,
    address: str = "",
) -> Activity:
    """Not saved, for callers that save many at once."""
    known = actor if isinstance(actor, User) else None
    return Activity(
        code=code,
        params=params or {},
        actor=known,
        address=address or address_of(current_request.get()) or None,
        actor_name=known.get_username() if known else "",
        model=model,
        model_name=model.name if model else "",
        run=run,
        reason_code=reason[0],
        reason_params=reason[1],
    )
