"""The layers of the policy, outermost first."""

from __future__ import annotations

from llmplatform.policy.authorization import refuse_repeated
from llmplatform.policy.base import App, compose, track_response
from llmplatform.policy.bodies import limit_bodies
from llmplatform.policy.clients import show_ipv4
from llmplatform.policy.cors import allow_origins
from llmplatform.policy.csp import protect_pages
from llmplatform.policy.failures import answer_failures
from llmplatform.policy.health import answer_probes
from llmplatform.policy.hosts import check_host
from llmplatform.policy.https import require_https
from llmplatform.policy.quotas import limit_open
from llmplatform.policy.rejections import record_rejections
from llmplatform.policy.request_ids import identify
from llmplatform.policy.response_headers import add_headers
from llmplatform.policy.url_prefix import strip_prefix

LAYERS = (
    track_response,
    strip_prefix,
    identify,
    show_ipv4,
    allow_origins,
    add_headers,
    protect_pages,
    record_rejections,
    answer_probes,
    check_host,
    require_https,
    refuse_repeated,
    limit_open,
    answer_failures,
    limit_bodies,
)


def guard(app: App) -> App:
    """app: of requests and websockets; without the policy it serves anybody."""
    return compose(app, LAYERS)
