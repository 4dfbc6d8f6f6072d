"""The routing table: models, their replicas and who may use them.

Immutable; a reload replaces it as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from common.request_fields.dialect import OPENAI, EngineDialect
from gateway.limits.rules import Limit

RUNNING = "running"  # as in models_app.enums, which needs Django
# Of a limit: its key and the name
Number = tuple[str, str]
# Each comparison takes some 20 us.
LONGEST_NAME, MOST_NAMES = 100, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token allows. scopes: those it is restricted to. models: ids of those it
    may use; None for any. expires_at: seconds since the epoch, None for never.
    token_id: the part of the token that is shown."""

    user_id: int
    username: str
    can_use: bool
    scopes: tuple[str, ...] = ()
    models: frozenset[int] | None = None
    expires_at: float | None = None
    token_id: str = ""
    token_name: str = ""
    limits: tuple[Limit, ...] = ()
    priority: int = 5
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """socket: path of the Unix socket on which it listens; empty: on base_url."""

    run_uid: str
    base_url: str
    socket: str = ""
    api_key: str = field(repr=False)


class Prices(NamedTuple):
    """Of one token, in units of monitoring.usage.models.COST_DECIMALS decimals."""

    input: int = 0
    cached_input: int = 0
    output: int = 0


NO_PRICES = Prices()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """retry_after_s: when to retry a request that cannot be served now; None: not until
    somebody starts the model. created: seconds since the epoch. cache_ttl_s: how long
    answers are repeated; 0: not at all."""

    model_id: int
    name: str
    aliases: tuple[str, ...] = ()
    display_name: str = ""
    status: str
    retry_after_s: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)
    embeds: bool = False
    generates: bool = True
    dialect: EngineDialect = OPENAI
    replicas: tuple[Replica, ...] = ()
    created: int = 0
    limits: tuple[Limit, ...] = ()
    prices: Prices = NO_PRICES
    cache_ttl_s: int = 0

    @property
    def is_serving(self) -> bool:
        return self.status == RUNNING and bool(self.replicas)


class Target(NamedTuple):
    """weight: its share in requests."""

    route: Route
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that stands for several models. mode: weighted or fallback. created:
    seconds since the epoch."""

    name: str
    mode: str
    targets: tuple[Target, ...] = ()
    created: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """tokens: of the number's current window, which ends at `ends`."""

    key: str
    tokens: int
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTable:
    """by_name: by the model's own aliases, too. aliases: of several models, by name.
    grants: by digest of the token. used: of limits that are new to this process."""

    by_name: Mapping[str, Route]
    by_id: Mapping[int, Route]
    grants: Mapping[str, Grant]
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    used: Mapping[Number, Used] = field(default_factory=dict)

    def find(self, name_or_id: str) -> Route | Alias | None:
        """Digits are an id: models_app forbids names that consist of digits."""
        if name_or_id.isascii() and name_or_id.isdigit():
            return self.by_id.get(int(name_or_id[:18]))
        return self.by_name.get(name_or_id) or self.aliases.get(name_or_id)

    def limited_to(self, models: frozenset[int] | None) -> RoutingTable:
        """The table as a token sees it that may use only these models. None: any."""
        if models is None:
            return self
        aliases = {
            name: allowed
            for name, alias in self.aliases.items()
            if isinstance(allowed := permitted(alias, models), Alias)
        }
        return replace(
            self,
            by_name={k: v for k, v in self.by_name.items() if v.model_id in models},
            by_id={k: v for k, v in self.by_id.items() if k in models},
            aliases=aliases,
        )

    def nearest(self, name: str) -> str:
        """The name of a model that was probably meant; empty if none is close."""
        shortened = name[:LONGEST_NAME]
        names = list(islice((*self.by_name, *self.aliases), MOST_NAMES))
        return next(iter(get_close_matches(shortened, names, 1)), "")


def permitted(
    found: Route | Alias | None, models: frozenset[int]
) -> Route | Alias | None:
    """What a token that may use only these models can use of it. An alias keeps the
    targets that are among them; without any it is unknown."""
    if isinstance(found, Alias):
        targets = [each for each in found.targets if each.route.model_id in models]
        return replace(found, targets=tuple(targets)) if targets else None
    return found if found is not None and found.model_id in models else None


def by_name(routes: Sequence[Route]) -> dict[str, Route]:
    """routes: oldest model first. A name comes before the alias of another model, the
    alias of an older model before a newer one's."""
    return {
        **{alias: route for route in reversed(routes) for alias in route.aliases},
        **{route.name: route for route in routes},
    }
