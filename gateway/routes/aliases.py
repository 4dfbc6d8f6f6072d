"""Which of an alias's models serve a request, and in which order they are tried. Pure.

By weight: each model serves its share of requests, or of sessions where requests name
one. In order: the first model that is running serves.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from hashlib import blake2b

from gateway.routes.table import Alias, Route, Target

WEIGHTED = "weighted"


def candidates(
    alias: Alias, session: str, draw: Callable[[], float] = random.random
) -> list[Route]:
    """Those that are running, in order; if none is, the one to be ready first. session:
    of requests that should reach the same model; empty for none. draw: as
    random.random()."""
    running = [each for each in alias.targets if each.route.is_serving]
    if not running:
        return sorted((each.route for each in alias.targets), key=_ready_in)[:1]
    if alias.mode == WEIGHTED and len(running) > 1:
        running.sort(key=lambda target: _arrival(target, session, draw))
    return [target.route for target in running]


def status_of(alias: Alias) -> str:
    """That of the model which would serve now."""
    return next((route.status for route in candidates(alias, "")), "stopped")


def _ready_in(route: Route) -> float:
    return math.inf if route.retry_after_s is None else route.retry_after_s


def _arrival(target: Target, session: str, draw: Callable[[], float]) -> float:
    """Exponentially distributed with the weight as its rate: each target comes first in
    its share of cases. Depends on nothing but the target, so that the sessions of
    others stay where they are when one comes or goes."""
    uniform = _fraction(session, target.route.model_id) if session else 1.0 - draw()
    return -math.log(uniform) / target.weight


def _fraction(session: str, model_id: int) -> float:
    """Above 0, at most 1."""
    text = f"{session}\n{model_id}".encode(errors="replace")
    number = int.from_bytes(blake2b(text, digest_size=6).digest())
    return (number + 1) / 2**48
