"""Read the whole table from the database. The only module here that does."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections, connections

from common.enums import Retry
from common.exceptions import PlatformError
from common.messages import find
from gateway.routes.table import Grant, Route, Table, Target
from models_app.enums import Status
from models_app.models import ApiToken, Run, ServedModel
from models_app.permissions import USE
from models_app.ports import framework

USED = (
    "name", "display_name", "status", "reason_code", "reason_params", "generation",
    "created_at",
)  # fmt: skip
BACKEND = "django.contrib.auth.backends.ModelBackend"
SOON_S = 1
STARTING_S = 5
WAITING_S = 10


class Loader:
    """A thread of its own, so that the database is never waited for on the event loop,
    nor behind Django's threads."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    async def __call__(self) -> Table:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-table")
        return await sync_to_async(
            _load_with_fresh_connection, thread_sensitive=False, executor=self._thread
        )()

    def close(self) -> None:
        """May be used again afterwards."""
        if self._thread is not None:
            self._thread.submit(connections.close_all)
            self._thread.shutdown()
            self._thread = None


def _load_with_fresh_connection() -> Table:
    close_old_connections()
    try:
        return load()
    finally:
        close_old_connections()


def load() -> Table:
    """Four queries, however many rows. Not one snapshot: a change between two of them
    brings a notice, and so another load."""
    runs = _ready_runs()
    models = ServedModel.objects.only(*USED)
    routes = [_route(model, runs[model.pk]) for model in models]
    return Table(
        by_name={route.name: route for route in routes},
        by_id={route.model_id: route for route in routes},
        grants=_grants(),
    )


def _ready_runs() -> dict[int, list[Run]]:
    """By model, newest first."""
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in Run.objects.ready().order_by("-pk"):
        runs[run.model_id].append(run)
    return runs


def _route(model: ServedModel, runs: list[Run]) -> Route:
    """Runs of an older generation are about to be stopped: nothing new for them."""
    current = [run for run in runs if run.generation == model.generation]
    newest = current[0] if current else None
    return Route(
        model_id=model.pk,
        name=model.name,
        display_name=model.display_name,
        status=model.status,
        retry_after_s=_retry_after(model),
        sampling=_sampling(newest) if newest else {},
        embeds=newest is not None and newest.config.get("embedding") is True,
        targets=tuple(_target(run) for run in current),
        created=int(model.created_at.timestamp()),
    )


def _target(run: Run) -> Target:
    return Target(run_uid=run.uid, base_url=run.base_url, api_key=run.engine_key)


def _retry_after(model: ServedModel) -> int | None:
    if model.status in (Status.STOPPED, Status.STOPPING):
        return None
    if model.status == Status.ERROR:
        seconds = model.reason_params.get("seconds", SOON_S)
        given_up = find(model.reason_code).retry is Retry.NEVER
        return None if given_up else max(SOON_S, int(seconds))
    return {Status.STARTING: STARTING_S, Status.WAITING: WAITING_S}.get(
        Status(model.status), SOON_S
    )


def _sampling(run: Run) -> dict[str, float]:
    try:
        return framework(run.framework).sampling(run.config)
    except PlatformError:
        return {}  # its framework was taken out of the settings while it runs


def _grants() -> dict[str, Grant]:
    """Expired tokens stay: an unknown one would cost a reload at each request. Tokens
    before rights: a token is never seen without what its user had when it was made."""
    tokens = list(ApiToken.objects.filter(user__is_active=True).select_related("user"))
    able = User.objects.with_perm(USE, backend=BACKEND)
    may_use = set(able.values_list("pk", flat=True))
    return {
        token.digest: Grant(
            user_id=token.user_id,
            username=token.user.get_username(),
            may_use=token.user_id in may_use and not token.scopes,
            expires_at=token.expiry.timestamp() if token.expiry else None,
        )
        for token in tokens
    }
