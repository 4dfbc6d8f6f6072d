"""Errors of the gateway, and their format in each dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import gateway.messages  # noqa: F401 -- registers its codes
from common.messages import render
from common.problems import Problem
from common.requests import with_request_id
from gateway.engines.client import MAX_RESPONSE_BYTES
from gateway.limits.rules import Refusal
from gateway.routes.table import Alias, Route
from models_app.enums import ALLOWED, Operation, Status

# Our code -> the code that OpenAI clients know
OPENAI_CODES = {
    "not_authenticated": "invalid_api_key",
    "authentication_failed": "invalid_api_key",
    "not_found": "model_not_found",
    "no_such_path": "unknown_url",
    "limit_exceeded": "rate_limit_exceeded",
    "context_too_long": "context_length_exceeded",
}
ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


@dataclass(eq=False)
class GatewayError(Exception):
    """message_code: where it differs from code. engine_message: shown unchanged instead
    of our own message. param: what OpenAI's format names; by default, the field of the
    first problem. extra_fields: only in the platform's format."""

    status: int
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    _: KW_ONLY
    message_code: str = ""
    engine_message: str = ""
    problems: Sequence[Problem] = ()
    param: str | None = None
    retry_after_s: int | None = None
    extra_headers: Sequence[tuple[bytes, bytes]] = ()
    extra_fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The first problem, if any: many clients show nothing else."""
        for problem in self.problems:
            return render(problem.code, problem.params)
        return self.engine_message or render(
            self.message_code or self.code, self.params
        )

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = list(self.extra_headers)
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_s))
        return headers


def validation_error(*problems: Problem) -> GatewayError:
    return GatewayError(400, "validation_error", problems=problems)


def model_not_found(name: str, nearest: str = "") -> GatewayError:
    params = {"value": name, **({"nearest": nearest} if nearest else {})}
    return GatewayError(404, "not_found", params, message_code="no_such_model")


def only_embeddings(route: Route) -> GatewayError:
    return GatewayError(400, "only_embeddings", {"model": route.name})


def engine_failed(route: Route) -> GatewayError:
    return GatewayError(502, "engine_failed", {"model": route.name})


def engine_timeout(route: Route) -> GatewayError:
    return GatewayError(504, "engine_timeout", {"model": route.name})


def limit_exceeded(
    route: Route, refusal: Refusal | None, headers: Sequence[tuple[bytes, bytes]]
) -> GatewayError:
    """refusal: None if the limit has just been changed."""
    if refusal is None:
        refusal = Refusal("model", "max_in_flight", 0, 1)
    params = {
        "model": route.name,
        "subject": refusal.subject,
        "limit": refusal.name,
        "max": refusal.maximum,
        "seconds": refusal.retry_after_s,
    }
    return GatewayError(
        429,
        "limit_exceeded",
        params,
        param=f"{refusal.subject}.{refusal.name}",
        retry_after_s=refusal.retry_after_s,
        extra_headers=headers,
        extra_fields={"params": params},
    )


def queue_full(route: Route, length: int) -> GatewayError:
    params = {"model": route.name, "max": length}
    return GatewayError(429, "queue_full", params, retry_after_s=1)


def queue_timeout(route: Route, seconds: float) -> GatewayError:
    params = {"model": route.name, "seconds": int(seconds)}
    return GatewayError(429, "queue_timeout", params, retry_after_s=1)


def response_too_large() -> GatewayError:
    params = {"max": MAX_RESPONSE_BYTES // 2**20}
    return GatewayError(400, "response_too_large", params)


def not_serving(route: Route) -> GatewayError:
    """503 while the model may become ready by itself, else 409."""
    if route.retry_after_s is None:
        return _not_running(route)
    return GatewayError(
        503,
        "model_not_ready",
        {**_status_params(route), "seconds": route.retry_after_s},
        retry_after_s=route.retry_after_s,
        extra_fields={"status": route.status},
    )


def alias_without_models(alias: Alias) -> GatewayError:
    """As a model that somebody has to start."""
    return GatewayError(
        409,
        "model_not_running",
        {"model": alias.name},
        message_code="alias_without_models",
        extra_fields={"status": Status.STOPPED, "allowed": []},
    )


def may_try_another(error: GatewayError) -> bool:
    """Whether another model may serve what one did not: it failed or is not running.
    What is wrong with the request, or over a limit, stays so."""
    return error.status >= 500 or error.code == "model_not_running"


def _not_running(route: Route) -> GatewayError:
    allowed = [str(operation) for operation in ALLOWED[Status(route.status)]]
    labels = [Operation(operation).label for operation in allowed]
    return GatewayError(
        409,
        "model_not_running",
        {**_status_params(route), "allowed": labels},
        message_code="" if allowed else "model_stopping",
        extra_fields={"status": route.status, "allowed": allowed},
    )


def _status_params(route: Route) -> dict[str, object]:
    return {"model": route.name, "status": Status(route.status).label}


def platform_error(error: GatewayError) -> dict[str, Any]:
    """As in the management API: {code, message, errors: [{code, field, message}]}."""
    errors = [
        {
            "code": problem.code,
            "field": problem.field,
            "message": render(problem.code, problem.params),
            "params": problem.params,
        }
        for problem in error.problems
    ]
    body = {"code": error.code, "message": error.message, "errors": errors}
    return with_request_id({**body, **error.extra_fields})


def openai_error(error: GatewayError) -> dict[str, Any]:
    """As in OpenAI's API: {error: {message, type, param, code}}."""
    default_type = "server_error" if error.status >= 500 else "invalid_request_error"
    first = error.problems[0] if error.problems else None
    code = first.code if first else error.code
    body = {
        "message": error.message,
        "type": OPENAI_TYPES.get(error.status, default_type),
        "param": first.field if first else error.param,
        "code": OPENAI_CODES.get(code, code),
    }
    return {"error": with_request_id(body)}


def anthropic_error(error: GatewayError) -> dict[str, Any]:
    """As in Anthropic's API: {type: error, error: {type, message}}, with the code and
    param of OpenAI's."""
    default_type = "api_error" if error.status >= 500 else "invalid_request_error"
    first = error.problems[0] if error.problems else None
    body = {
        "type": ANTHROPIC_TYPES.get(error.status, default_type),
        "message": error.message,
        "param": first.field if first else error.param,
        "code": first.code if first else error.code,
    }
    return with_request_id({"type": "error", "error": body})
