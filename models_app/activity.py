"""Record what happened, in the transaction of what happened."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User

from models_app.models import Activity, Run, ServedModel

Actor = User | AnonymousUser | None


def record(
    code: str,
    *,
    model: ServedModel | None = None,
    run: Run | None = None,
    actor: Actor = None,
    reason: tuple[str, dict[str, object]] = ("", {}),
    params: dict[str, object] | None = None,
) -> Activity:
    known = actor if isinstance(actor, User) else None
    return Activity.objects.create(
        code=code,
        params=params or {},
        actor=known,
        actor_name=known.get_username() if known else "",
        model=model,
        model_name=model.name if model else "",
        run=run,
        reason_code=reason[0],
        reason_params=reason[1],
    )
