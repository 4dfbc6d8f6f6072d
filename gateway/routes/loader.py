"""Load the routing table from the database. No other gateway module reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import close_old_connections, connections

from common.enums import ModelKind, Retry
from common.exceptions import PlatformError
from common.messages import find
from common.request_fields.dialect import OPENAI, EngineDialect
from gateway.limits.rules import Limit
from gateway.routes.limits import LimitRows, load_limits
from gateway.routes.table import (
    Alias,
    Grant,
    Number,
    Prices,
    Replica,
    Route,
    RoutingTable,
    Target,
    by_name,
)
from gateway.routes.used import load_used
from models_app.aliases.models import ModelAlias
from models_app.enums import Desired, Status, TokenScope
from models_app.models import ApiToken, Run, ServedModel
from models_app.permissions import USE
from models_app.ports import framework
from models_app.tokens.scopes import allows
from monitoring.usage.models import COST_DECIMALS

FIELDS = (
    "name", "aliases", "display_name", "desired_state", "status", "reason_code",
    "reason_params", "generation", "created_at", "input_price", "cached_input_price",
    "output_price", "cache_ttl_s",
)  # fmt: skip
BACKEND = "django.contrib.auth.backends.ModelBackend"
MIN_RETRY_AFTER_S = 1
RETRY_AFTER_S = {Status.STARTING: 5, Status.STOPPING: 5, Status.WAITING: 10}


class Loader:
    """Queries the database in a thread of its own, so that the gateway waits neither on
    the event loop nor for Django's threads."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._counted: set[Number] = set()

    async def __call__(self) -> RoutingTable:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-table")
        table = await sync_to_async(
            _load_with_fresh_connection, thread_sensitive=False, executor=self._thread
        )(self._counted)
        self._counted.update(table.used)
        return table

    def close(self) -> None:
        """The loader can be used again afterwards."""
        if self._thread is not None:
            self._thread.submit(connections.close_all)
            self._thread.shutdown()
            self._thread = None


def _load_with_fresh_connection(counted: Collection[Number]) -> RoutingTable:
    close_old_connections()
    try:
        return load(counted)
    finally:
        close_old_connections()


def load(counted: Collection[Number] = ()) -> RoutingTable:
    """counted: numbers of limits whose usage is known. Nine queries, or ten,
    regardless of the number of rows. Not a single snapshot: a change between two
    queries triggers another load."""
    runs = _ready_runs()
    models = ServedModel.objects.only(*FIELDS).order_by("pk")
    limits = load_limits()
    of_model = limits.of_model
    routes = [_route(m, runs[m.pk], of_model.get(m.pk, ())) for m in models]
    by_id = {route.model_id: route for route in routes}
    return RoutingTable(
        by_name=by_name(routes),
        by_id=by_id,
        grants=_grants(limits),
        aliases=_aliases(by_id),
        used=load_used(limits.subjects, limits.members, counted),
    )


def _ready_runs() -> dict[int, list[Run]]:
    """By model, newest run first."""
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in Run.objects.ready().order_by("-pk"):
        runs[run.model_id].append(run)
    return runs


def _route(model: ServedModel, runs: list[Run], limits: tuple[Limit, ...]) -> Route:
    """Runs of an older generation are about to be stopped and get no new requests."""
    current = [run for run in runs if run.generation == model.generation]
    newest = current[0] if current else None
    return Route(
        model_id=model.pk,
        name=model.name,
        aliases=tuple(model.aliases),
        display_name=model.display_name,
        status=model.status,
        retry_after_s=_retry_after(model),
        sampling=_sampling(newest) if newest else {},
        embeds=newest is not None and _embeds(newest),
        generates=newest is None or newest.model_kind != ModelKind.EMBEDDING,
        dialect=_dialect(newest) if newest else OPENAI,
        replicas=tuple(_replica(run) for run in current),
        created=int(model.created_at.timestamp()),
        limits=limits,
        prices=_prices(model),
        cache_ttl_s=model.cache_ttl_s,
    )


def _aliases(by_id: dict[int, Route]) -> dict[str, Alias]:
    """Two queries."""
    rows = ModelAlias.objects.filter(enabled=True).prefetch_related("targets")
    return {
        row.name: Alias(
            name=row.name,
            mode=row.mode,
            targets=tuple(
                Target(by_id[target.model_id], target.weight)
                for target in row.targets.all()
                if target.model_id in by_id
            ),
            created=int(row.created_at.timestamp()),
        )
        for row in rows
    }


def _prices(model: ServedModel) -> Prices:
    cached = model.cached_input_price
    return Prices(
        input=_of_token(model.input_price),
        cached_input=_of_token(model.input_price if cached is None else cached),
        output=_of_token(model.output_price),
    )


def _of_token(price: Decimal | None) -> int:
    """price: of a million tokens."""
    return int((price or Decimal(0)).scaleb(COST_DECIMALS - 6))


def _replica(run: Run) -> Replica:
    return Replica(
        run_uid=run.uid,
        base_url=run.base_url,
        socket=run.socket,
        api_key=run.engine_key,
    )


def _retry_after(model: ServedModel) -> int | None:
    if model.desired_state == Desired.STOPPED:
        return None
    if model.status == Status.ERROR:
        seconds = model.reason_params.get("seconds", MIN_RETRY_AFTER_S)
        given_up = find(model.reason_code).retry is Retry.NEVER
        return None if given_up else max(MIN_RETRY_AFTER_S, int(seconds))
    return RETRY_AFTER_S.get(Status(model.status), MIN_RETRY_AFTER_S)


def _sampling(run: Run) -> dict[str, float]:
    try:
        return framework(run.framework).sampling(run.config)
    except PlatformError:
        return {}  # the framework was removed from the settings while the model runs


def _embeds(run: Run) -> bool:
    if run.model_kind == ModelKind.EMBEDDING:
        return True
    try:
        return framework(run.framework).embeds(run.config)
    except PlatformError:
        return False


def _dialect(run: Run) -> EngineDialect:
    try:
        return framework(run.framework).dialect(run.config)
    except PlatformError:
        return OPENAI


def _grants(limits: LimitRows) -> dict[str, Grant]:
    """Includes expired tokens, because each request with an unknown token costs a
    reload. Reads tokens before permissions: a new token must not appear without the
    permissions that its user had when it was created."""
    tokens = list(ApiToken.objects.filter(user__is_active=True).select_related("user"))
    models = _allowed_models()
    users = User.objects.with_perm(USE, backend=BACKEND)
    can_use = set(users.values_list("pk", flat=True))
    turns = {token.digest: limits.turn_of(token.pk, token.user_id) for token in tokens}
    return {
        token.digest: Grant(
            user_id=token.user_id,
            username=token.user.get_username(),
            can_use=token.user_id in can_use
            and allows(token.scopes, TokenScope.INFERENCE),
            scopes=tuple(token.scopes),
            models=None if token.any_model else frozenset(models[token.pk]),
            expires_at=token.expiry.timestamp() if token.expiry else None,
            token_id=token.token_key,
            token_name=token.name,
            limits=limits.of_token(token.pk, token.user_id),
            priority=turns[token.digest][0],
            weight=turns[token.digest][1],
        )
        for token in tokens
    }


def _allowed_models() -> dict[str, set[int]]:
    """By digest of the token; none for others."""
    models: dict[str, set[int]] = defaultdict(set)
    rows = ApiToken.allowed_models.through.objects.values_list(
        "apitoken_id", "servedmodel_id"
    )
    for token, model in rows:
        models[token].add(model)
    return models
