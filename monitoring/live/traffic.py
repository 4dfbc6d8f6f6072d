"""What gateways count, told to the monitor through the broker: a hash with one field
for each gateway process, rewritten each second. History has its own way, through the
database; what is lost here only blinks on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

from monitoring.history.aggregation.bucket_values import Distribution

KEY = "llmplatform:traffic"
# A gateway that has said nothing for longer is gone, or cannot reach the broker.
FRESH_S = 3
FORGOTTEN_S = 60


class ModelTraffic(TypedDict):
    """Increments of one step, but for in_flight."""

    requests: int
    errors: int
    in_flight: int
    prompt_tokens: int
    completion_tokens: int
    response_time: NotRequired[Distribution]


class Told(NamedTuple):
    """seconds: how long the step was. models: by str(id), those with traffic only."""

    at: float
    seconds: float
    models: dict[str, ModelTraffic]

    def packed(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":"))


def read(fields: Mapping[bytes, bytes], now: float) -> dict[bytes, Told]:
    """By writer, those that are fresh. The clocks of other machines may be ahead."""
    told = {writer: _unpacked(text) for writer, text in fields.items()}
    return {
        writer: each
        for writer, each in told.items()
        if each is not None and abs(now - each.at) < FRESH_S
    }


def gone(fields: Mapping[bytes, bytes], now: float) -> list[bytes]:
    """Writers to forget."""
    told = {writer: _unpacked(text) for writer, text in fields.items()}
    return [
        writer
        for writer, each in told.items()
        if each is None or abs(now - each.at) > FORGOTTEN_S
    ]


def _unpacked(text: bytes) -> Told | None:
    try:
        told = json.loads(text)
        return Told(float(told["at"]), float(told["seconds"]), dict(told["models"]))
    except (ValueError, TypeError, KeyError):
        return None  # of another version


def rates(told: Iterable[Told]) -> dict[str, dict[str, float]]:
    """By model: sums over gateways, per second; in_flight as it is."""
    summed: dict[str, dict[str, float]] = {}
    for each in told:
        for model, traffic in each.models.items():
            into = summed.setdefault(model, {})
            for name, value in cast("dict[str, Any]", traffic).items():
                if isinstance(value, int | float):
                    span = 1 if name == "in_flight" else max(each.seconds, 0.1)
                    into[name] = into.get(name, 0) + value / span
    return summed
