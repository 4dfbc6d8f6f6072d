"""What goes wrong with a request, and how each dialect says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import gateway.messages  # noqa: F401 -- registers its codes
from common.messages import render
from common.problems import Problem
from gateway.routes.table import Route
from models_app.enums import ALLOWED, Operation, Status

# Codes of OpenAI's API that its clients know
OPENAI_CODES = {
    "not_authenticated": "invalid_api_key",
    "authentication_failed": "invalid_api_key",
    "not_found": "model_not_found",
    "no_such_path": "unknown_url",
    "context_too_long": "context_length_exceeded",
}
OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}


@dataclass(eq=False)
class GatewayError(Exception):
    """words: code of the message, when it is not `code` itself. text: words of an
    engine, shown as they are. more: headers. about: more fields of the platform's
    shape."""

    status: int
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    _: KW_ONLY
    words: str = ""
    text: str = ""
    problems: Sequence[Problem] = ()
    retry_after_s: int | None = None
    more: Sequence[tuple[bytes, bytes]] = ()
    about: Mapping[str, object] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The first problem is the message, for clients that show only one."""
        for problem in self.problems:
            return render(problem.code, problem.params)
        return self.text or render(self.words or self.code, self.params)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        headers = list(self.more)
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after_s))
        return headers


def invalid(*problems: Problem) -> GatewayError:
    return GatewayError(400, "validation_error", problems=problems)


def no_such_model(name: str) -> GatewayError:
    return GatewayError(404, "not_found", {"value": name}, words="no_such_model")


def engine_failed(route: Route) -> GatewayError:
    return GatewayError(502, "engine_failed", {"model": route.name})


def engine_timeout(route: Route) -> GatewayError:
    return GatewayError(504, "engine_timeout", {"model": route.name})


def not_serving(route: Route) -> GatewayError:
    """Why a model takes no requests now."""
    if route.retry_after_s is None:
        return _not_running(route)
    return GatewayError(
        503,
        "model_not_ready",
        {**_state(route), "seconds": route.retry_after_s},
        retry_after_s=route.retry_after_s,
        about={"status": route.status},
    )


def _not_running(route: Route) -> GatewayError:
    allowed = [str(operation) for operation in ALLOWED[Status(route.status)]]
    labels = [Operation(operation).label for operation in allowed]
    return GatewayError(
        409,
        "model_not_running",
        {**_state(route), "allowed": labels},
        words="" if allowed else "model_stopping",
        about={"status": route.status, "allowed": allowed},
    )


def _state(route: Route) -> dict[str, object]:
    return {"model": route.name, "status": Status(route.status).label}


def platform_shape(error: GatewayError) -> dict[str, Any]:
    """As the management API's: {code, message, errors: [{code, field, message}]}."""
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
    return {**body, **error.about}


def openai_shape(error: GatewayError) -> dict[str, Any]:
    """As OpenAI's: {error: {message, type, param, code}}."""
    usual = "server_error" if error.status >= 500 else "invalid_request_error"
    first = error.problems[0] if error.problems else None
    code = first.code if first else error.code
    body = {
        "message": error.message,
        "type": OPENAI_TYPES.get(error.status, usual),
        "param": first.field if first else None,
        "code": OPENAI_CODES.get(code, code),
    }
    return {"error": body}
