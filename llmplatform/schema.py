"""Additions to the API schema that serializers and views cannot express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme

Schema = dict[str, Any]
ERRORS = {
    "400": "What was sent is not valid.",
    "401": "No token, or one that is not valid.",
    "403": "The user may not do this.",
    "404": "There is no such page, model, run, download, export, token, alert, rule,"
    " channel or delivery.",
    "409": "It exists already, or its status does not allow this. For a model, `status`"
    " and `allowed` give its status and what is possible now.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many requests at once. Try again later.",
}
# Their bodies may name the id of a model or rule
OF_AN_ID = (
    "/api/alert-rules/backtest",
    "/api/models/estimate",
    "/api/models/preflight",
    "/api/scheduling/preview",
)
# Beside operations on what exists
CONFLICTS = ("/api/library/downloads", "/api/tokens")


class BearerScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    target_class = "models_app.authentication.BearerAuthentication"
    name = "token"


class CookieScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """Without the name of this installation, so that one schema suits all."""

    priority = 0

    def get_security_definition(self, auto_schema: Any) -> Schema:
        description = "Of a browser; its full name ends with an id of the installation."
        cookie = {"type": "apiKey", "in": "cookie", "name": "sessionid"}
        return {**cookie, "description": description}


def without_slashes(
    endpoints: list[tuple[Any, ...]], **_: Any
) -> list[tuple[Any, ...]]:
    """Paths work with and without a trailing slash; the schema shows them without."""
    return [(path.rstrip("/"), *rest) for path, *rest in endpoints]


def complete(result: Schema, **_: Any) -> Schema:
    draft = result["components"]["schemas"]["Draft"]
    draft.pop("required")
    draft["anyOf"] = [{"required": ["id"]}, {"required": ["config"]}]
    return add_errors(name_plugins(name_ids(result)))


def add_errors(result: Schema) -> Schema:
    """For the management API; the gateway's operations define their own."""
    result["components"]["schemas"]["Error"] = ERROR
    for path, method, operation in _management_operations(result):
        for status in _possible_statuses(path, method, operation):
            operation["responses"][status] = _response(ERRORS[status])
    return result


def name_plugins(result: Schema) -> Schema:
    """Serializers take any text, since the settings decide."""
    for name in ("ServedModel", "PatchedServedModel", "Draft"):
        properties = result["components"]["schemas"][name]["properties"]
        properties["framework"]["enum"] = list(settings.FRAMEWORKS)
        properties["driver"]["enum"] = list(settings.DRIVERS)
    return result


def name_ids(result: Schema) -> Schema:
    """Paths of models accept a name in place of an id."""
    for path, _method, operation in _management_operations(result):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" and parameter["name"] == "id":
                of_models = path.startswith("/api/models/")
                parameter["schema"] = {"type": "string" if of_models else "integer"}
                if of_models:
                    parameter["description"] = "id or name of a model"
    return result


def _management_operations(result: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if "inference" not in operation["tags"]:
                yield path, method, operation


def _possible_statuses(path: str, method: str, operation: Schema) -> list[str]:
    parameters = operation.get("parameters", [])
    places = {parameter["in"] for parameter in parameters}
    names = {parameter["name"] for parameter in parameters}
    takes_body = "requestBody" in operation
    finds_one = "path" in places or "page" in names or path in OF_AN_ID
    may_conflict = method != "get" and ("path" in places or path in CONFLICTS)
    return [
        *(["400"] if takes_body or "query" in places else []),
        *("401", "403"),
        *(["404"] if finds_one else []),
        *(["409"] if may_conflict else []),
        *(["413", "415"] if takes_body else []),
        "429",
    ]


def _response(description: str) -> Schema:
    reference = {"$ref": "#/components/schemas/Error"}
    return {
        "description": description,
        "content": {"application/json": {"schema": reference}},
    }


_TEXT: Schema = {"type": "string"}
ERROR: Schema = {
    "type": "object",
    "required": ["code", "message", "errors"],
    "properties": {
        "code": {**_TEXT, "example": "validation_error"},
        "message": {**_TEXT, "description": "In the language of Accept-Language."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "field", "message"],
                "properties": {
                    "code": {**_TEXT, "example": "file_missing"},
                    "field": {**_TEXT, "example": "config.model_path"},
                    "message": _TEXT,
                    "params": {"type": "object", "additionalProperties": True},
                },
            },
        },
        "status": {**_TEXT, "description": "With 409: of the model."},
        "allowed": {
            "type": "array",
            "items": _TEXT,
            "description": "With 409: operations that are possible now.",
        },
        "request_id": {**_TEXT, "description": "As in the header X-Request-Id."},
    },
}
