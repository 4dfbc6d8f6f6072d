"""The layers of the policy, outermost first."""

from __future__ import annotations

from llmplatform.policy.base import App, compose
from llmplatform.policy.cors import allow_origins
from llmplatform.policy.request_ids import identify
from llmplatform.policy.response_headers import add_headers
from llmplatform.policy.url_prefix import strip_prefix

LAYERS = (
    strip_prefix,
    identify,
    allow_origins,
    add_headers,
)


def guard(app: App) -> App:
    """app: of requests and websockets; without the policy it serves anybody."""
    return compose(app, LAYERS)
