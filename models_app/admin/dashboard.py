"""First page: how many models are in which state, and what happened lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from models_app.activity import visible_to
from models_app.enums import Status
from models_app.models import ServedModel
from models_app.permissions import ADD, USE, VIEW

EVENTS = 15
ORDER = (
    Status.RUNNING, Status.STARTING, Status.WAITING, Status.ERROR, Status.STOPPING,
    Status.STOPPED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    status: Status
    count: int
    url: str


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    user = request.user
    return {
        **context,
        "tiles": tiles() if user.has_perm(VIEW) else [],
        "may_add_models": user.has_perm(ADD),
        "may_add_tokens": user.has_perm(USE),
        "may_view_activity": user.has_perm("models_app.view_activity"),
        "events": visible_to(user).newest()[:EVENTS],
    }


def tiles() -> list[Tile]:
    counts = dict(
        ServedModel.objects.order_by().values_list("status").annotate(Count("pk"))
    )
    models = reverse("admin:models_app_servedmodel_changelist")
    return [
        Tile(
            status=status,
            count=counts.get(status, 0),
            url=f"{models}?status__exact={status}",
        )
        for status in ORDER
    ]
