"""Map an engine's error responses to the gateway's own errors.

The caller sees the engine's message, which is about their request. It is never logged,
because it may quote the request.
"""

from __future__ import annotations

import re

from common.problems import shorten
from gateway.errors import GatewayError, engine_failed
from gateway.protocol.sse import parse_object
from gateway.routes.table import Route

MESSAGE_LIMIT = 500
RETRY_AFTER_S = 1
CLIENT_ERRORS = frozenset({400, 413, 422, 429})
# llama.cpp answers with 500 also what is wrong with a request and so always will be:
# any exception but one of its kinds. Failures of its own are "Compute error." and such.
CLIENT_ERROR_UNDER_500 = re.compile(
    r"^(?!Invalid input batch)"
    r"(Failed to (parse|load image|tokenize)|(Cannot|Invalid|Missing|Expected|Unknown"
    r"|Unsupported|\d+ validation errors?|Unable to generate parser)\b"
    r"|.*(not supported|does not support|param requires|is required|incompatible"
    r"|too large to process|Jinja|[Tt]emplate|raise_exception))",
    re.DOTALL | re.IGNORECASE,
)
# vLLM and llama-cpp-python
CONTEXT_LIMIT = re.compile(r"maximum context length is (\d+) tokens")
CONTEXT_TOKENS = re.compile(
    r"(?:requested|contains(?: at least)?) (\d+) (?:input )?tok"
)
INTERNALS = re.compile(
    r"\[json\.exception[^\]]*\]\s*|\s*- hint:.*|\s+File \".*", re.DOTALL
)
LOADING = 503
# 404: vLLM has no such path for the kind of this model.
NOT_SUPPORTED = frozenset({404, 501})


class EngineRejectedError(Exception):
    """body: an error object sent with status 200, for example within a stream; empty
    for a response that is not a JSON object."""

    def __init__(self, body: dict[str, object]) -> None:
        super().__init__()
        self.body = body


def parse_response(content: bytes) -> dict[str, object]:
    """Raises EngineRejectedError."""
    body = parse_object(content)
    if not body or "error" in body:
        raise EngineRejectedError(body)
    return body


def error_from_response(route: Route, status: int, content: bytes) -> GatewayError:
    return _error(route, status, parse_object(content))


def error_from_body(route: Route, body: dict[str, object]) -> GatewayError:
    """For an error that came with status 200."""
    error = body.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return _error(route, code if isinstance(code, int) else 500, body)


def _error(route: Route, status: int, body: dict[str, object]) -> GatewayError:
    error = body.get("error", body)  # versions of vLLM use both forms
    error = error if isinstance(error, dict) else {}
    message = str(error.get("message") or "")
    if status == LOADING:
        return _loading(route)
    if too_long := _context_too_long(error, message):
        return too_long
    if status in NOT_SUPPORTED or (
        status == 500 and CLIENT_ERROR_UNDER_500.search(message)
    ):
        return _rejected(route, 400, message)
    if status in CLIENT_ERRORS:
        return _rejected(route, status, message)
    return engine_failed(route)


def _context_too_long(error: dict[str, object], message: str) -> GatewayError | None:
    tokens, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
    if error.get("type") != "exceed_context_size_error":
        found = CONTEXT_LIMIT.search(message)
        if found is None:
            return None
        counted = CONTEXT_TOKENS.search(message)
        tokens, limit = int(counted[1]) if counted else 0, int(found[1])
    return GatewayError(400, "context_too_long", {"value": tokens, "max": limit})


def _rejected(route: Route, status: int, message: str) -> GatewayError:
    text = shorten(INTERNALS.sub("", message).strip(), MESSAGE_LIMIT)
    params = {"model": route.name}
    return GatewayError(status, "engine_refused", params, engine_message=text)


def _loading(route: Route) -> GatewayError:
    params = {"model": route.name}
    return GatewayError(503, "engine_busy", params, retry_after_s=RETRY_AFTER_S)
