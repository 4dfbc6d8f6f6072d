"""What an engine says when it does not answer, as an error of the gateway's own.

Its words are shown to the caller, whose request they are about, and never logged: they
may quote it.
"""

from __future__ import annotations

import re

from common.problems import shown
from gateway.errors import GatewayError, engine_failed
from gateway.protocol.sse import object_of
from gateway.routes.table import Route

TEXT_LIMIT = 500
SOON_S = 1
ABOUT_THE_REQUEST = frozenset({400, 413, 422, 429})
# llama.cpp answers 500 to some requests that can never work.
REFUSED_AS_500 = re.compile(r"^Failed to parse (tools|messages)|input is not supported")
INTERNALS = re.compile(r"\[json\.exception[^\]]*\]\s*|\s*- hint:.*", re.DOTALL)
JUST_LOADING = 503
NOT_SUPPORTED = 501


class EngineRefusedError(Exception):
    """told: an error object under status 200, as amid a stream; empty for an answer
    that is no JSON object."""

    def __init__(self, told: dict[str, object]) -> None:
        super().__init__()
        self.told = told


def answer_of(content: bytes) -> dict[str, object]:
    """Raises EngineRefusedError."""
    told = object_of(content)
    if not told or "error" in told:
        raise EngineRefusedError(told)
    return told


def refusal(route: Route, status: int, content: bytes) -> GatewayError:
    return _refusal(route, status, object_of(content))


def refusal_under_200(route: Route, told: dict[str, object]) -> GatewayError:
    error = told.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return _refusal(route, code if isinstance(code, int) else 500, told)


def _refusal(route: Route, status: int, told: dict[str, object]) -> GatewayError:
    error = told.get("error", told)  # vLLM has had both forms
    error = error if isinstance(error, dict) else {}
    text = str(error.get("message") or "")
    if status == JUST_LOADING:
        return _loading(route)
    if error.get("type") == "exceed_context_size_error":
        tokens, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
        return GatewayError(400, "context_too_long", {"value": tokens, "max": limit})
    if status == NOT_SUPPORTED or (status == 500 and REFUSED_AS_500.search(text)):
        return _refused(route, 400, text)
    if status in ABOUT_THE_REQUEST:
        return _refused(route, status, text)
    return engine_failed(route)


def _refused(route: Route, status: int, text: str) -> GatewayError:
    words = shown(INTERNALS.sub("", text).strip(), TEXT_LIMIT)
    return GatewayError(status, "engine_refused", {"model": route.name}, text=words)


def _loading(route: Route) -> GatewayError:
    params = {"model": route.name}
    return GatewayError(503, "engine_busy", params, retry_after_s=SOON_S)
