"""What the gateway knows, in memory. Replaced as a whole, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """expires_at: seconds since the epoch, None for never."""

    user_id: int
    username: str
    may_use: bool
    expires_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    run_uid: str
    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """retry_after_s: when a request that cannot be served now is worth another try;
    None: not before somebody starts the model. created: seconds since the epoch."""

    model_id: int
    name: str
    display_name: str = ""
    status: str
    retry_after_s: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)
    embeds: bool = False
    targets: tuple[Target, ...] = ()
    created: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """grants: by digest of the token."""

    by_name: Mapping[str, Route]
    by_id: Mapping[int, Route]
    grants: Mapping[str, Grant]

    def route(self, name_or_id: str) -> Route | None:
        """Digits are an id, all else a name: models_app forbids names of digits."""
        if name_or_id.isascii() and name_or_id.isdigit():
            return self.by_id.get(int(name_or_id[:18]))
        return self.by_name.get(name_or_id)
