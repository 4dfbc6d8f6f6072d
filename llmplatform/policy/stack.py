"""The layers of the policy, outermost first."""

from __future__ import annotations

from llmplatform.policy.base import App, compose
from llmplatform.policy.request_ids import identify
from llmplatform.policy.response_headers import add_headers

LAYERS = (
    identify,
    add_headers,
)


def guard(app: App) -> App:
    """app: of requests and websockets; without the policy it serves anybody."""
    return compose(app, LAYERS)
