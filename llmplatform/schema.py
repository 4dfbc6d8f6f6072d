"""Additions to the API schema that serializers and views cannot express."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme

Schema = dict[str, Any]
ERRORS = {
    "400": "What was sent is not valid.",
    "401": "No token, or one that is not valid.",
    "403": "The user may not do this.",
    "404": "There is no such model, run or export.",
    "413": "The body is too large.",
    "409": "Not possible in the model's status, which `status` and `allowed` name.",
}


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


def add_errors(result: Schema, **_: Any) -> Schema:
    """For the management API; the gateway's operations define their own."""
    result["components"]["schemas"]["Error"] = ERROR
    for path, method, operation in _management_operations(result):
        for status in _possible_statuses(path, method, operation):
            operation["responses"][status] = _response(ERRORS[status])
    return result


def name_ids(result: Schema, **_: Any) -> Schema:
    """Paths accept a name in place of an id."""
    for _path, _method, operation in _management_operations(result):
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" and parameter["name"] == "id":
                parameter["description"] = "id or name of a model"
                parameter["schema"] = {"type": "string"}
    return result


def _management_operations(result: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if "inference" not in operation["tags"]:
                yield path, method, operation


def _possible_statuses(path: str, method: str, operation: Schema) -> list[str]:
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    takes_input = "requestBody" in operation or "query" in places
    changes_one = "{id}" in path and method != "get"
    return [
        *(["400"] if takes_input else []),
        *("401", "403"),
        *(["404"] if "path" in places else []),
        *(["409"] if changes_one else []),
        *(["413"] if "requestBody" in operation else []),
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
