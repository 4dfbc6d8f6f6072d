"""Which endpoints a model has, by its kind and its engine."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.errors import GatewayError
from gateway.routes.table import Route

GENERATING = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
)
# Only with engines that serve them, by the name in EngineDialect.paths
PATHS = {
    "count_tokens": "/v1/messages/count_tokens",
    "rerank": "/v1/rerank",
    "score": "/v1/score",
    "tokenize": "/v1/tokenize",
    "transcriptions": "/v1/audio/transcriptions",
}


def offered(route: Route) -> Iterator[str]:
    """The gateway's paths for the model."""
    if route.generates:
        yield from GENERATING
    if route.embeds:
        yield "/v1/embeddings"
    for name, path in PATHS.items():
        if name in route.dialect.paths:
            yield path


def require(route: Route, name: str) -> None:
    """Raises GatewayError endpoint_not_supported. Without a replica nothing is known of
    the engine; the relay refuses the request then."""
    if route.replicas and name not in route.dialect.paths:
        params = {
            "model": route.name,
            "endpoint": PATHS[name],
            "allowed": [*offered(route)],
        }
        raise GatewayError(400, "endpoint_not_supported", params)
