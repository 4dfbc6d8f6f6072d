"""How many requests of a token a model serves at once.

Engines queue in order of arrival, so without a limit one client makes all others wait.
Each process of the platform counts its own requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.conf import settings

from common.problems import Problem
from gateway.errors import GatewayError, validation_error
from gateway.routes.table import Route

RETRY_AFTER_S = 1
MAX_INPUTS = 2048  # of a request for embeddings, as in OpenAI's API
# Embeddings take a fraction of a completion, and clients send them in large batches.
INPUTS_PER_REQUEST = 128


class Admission:
    def __init__(self) -> None:
        self.in_flight: Counter[tuple[str, int]] = Counter()

    @contextmanager
    def admit(
        self, digest: str, route: Route, body: Mapping[str, object]
    ) -> Iterator[None]:
        """digest: of the token. body: valid in its dialect. Raises GatewayError."""
        key, limit = (digest, route.model_id), settings.MAX_REQUESTS_PER_TOKEN
        size = request_size(body, limit)
        if limit and self.in_flight[key] + size > limit:
            params = {"model": route.name, "max": limit}
            raise GatewayError(
                429, "too_many_requests", params, retry_after_s=RETRY_AFTER_S
            )
        self.in_flight[key] += size
        try:
            yield
        finally:
            self.in_flight[key] -= size
            if not self.in_flight[key]:
                del self.in_flight[key]


def request_size(body: Mapping[str, object], limit: int) -> int:
    """How many completions the request takes. Raises GatewayError validation_error for
    more than limit, because to repeat it would not help."""
    inputs = _list_length(body.get("input"))
    if inputs > MAX_INPUTS:
        raise _too_many("input", inputs, MAX_INPUTS)
    completions = max(_integer(body.get("n")), _integer(body.get("best_of")))
    size = _list_length(body.get("prompt")) * completions
    if limit and size > limit:
        raise _too_many("prompt" if completions == 1 else "n", size, limit)
    return min(max(size, -(-inputs // INPUTS_PER_REQUEST)), limit or size)


def _list_length(value: object) -> int:
    """A list of numbers is a single prompt, as tokens."""
    if isinstance(value, list) and not all(isinstance(item, int) for item in value):
        return len(value)
    return 1


def _integer(value: object) -> int:
    return max(1, value) if isinstance(value, int) else 1


def _too_many(field: str, value: int, most: int) -> GatewayError:
    params = {"key": field, "value": value, "max": most}
    return validation_error(
        Problem(code="too_many_prompts", field=field, params=params)
    )
