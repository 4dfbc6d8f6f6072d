import re

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client

from monitoring.exports.row import COLUMNS

OPERATIONS = {
    "/api/alert-deliveries": {"get"},
    "/api/alert-deliveries/{id}": {"get"},
    "/api/alert-deliveries/{id}/retry": {"post"},
    "/api/notification-channels": {"get", "post"},
    "/api/notification-channels/{id}": {"get", "put", "patch", "delete"},
    "/api/notification-channels/{id}/rotate-secret": {"post"},
    "/api/notification-channels/{id}/test": {"post"},
    "/api/alert-rules": {"get", "post"},
    "/api/alert-rules/backtest": {"post"},
    "/api/alert-rules/{id}": {"get", "put", "patch", "delete"},
    "/api/alerts": {"get"},
    "/api/alerts/mark-read": {"post"},
    "/api/alerts/unread": {"get"},
    "/api/alerts/{id}": {"get"},
    "/api/alerts/{id}/acknowledge": {"post"},
    "/api/alerts/{id}/silence": {"post"},
    "/api/alerts/{id}/unsilence": {"post"},
    "/api/library": {"get"},
    "/api/library/downloads": {"get", "post"},
    "/api/library/downloads/{uid}": {"get", "delete"},
    "/api/library/downloads/{uid}/cancel": {"post"},
    "/api/library/downloads/{uid}/retry": {"post"},
    "/api/library/scan": {"get", "post"},
    "/api/model-aliases": {"get", "post"},
    "/api/model-aliases/{id}": {"get", "put", "patch", "delete"},
    "/api/limits": {"get", "post"},
    "/api/limits/{id}": {"get", "put", "patch", "delete"},
    "/api/models": {"get", "post"},
    "/api/models/estimate": {"post"},
    "/api/models/preflight": {"post"},
    "/api/models/{id}": {"get", "put", "patch", "delete"},
    "/api/models/{id}/activity": {"get"},
    "/api/models/{id}/generate": {"post"},
    "/api/tokens": {"get", "post"},
    "/api/tokens/{prefix}": {"delete"},
    "/api/models/{id}/approve": {"post"},
    "/api/models/{id}/logs": {"get"},
    "/api/models/{id}/restart": {"post"},
    "/api/models/{id}/start": {"post"},
    "/api/models/{id}/status": {"get"},
    "/api/models/{id}/stop": {"post"},
    "/api/monitoring/export": {"get"},
    "/api/monitoring/exports": {"get", "post"},
    "/api/monitoring/exports/{uid}": {"get", "delete"},
    "/api/monitoring/exports/{uid}/file": {"get"},
    "/api/monitoring/metrics": {"get"},
    "/api/monitoring/series": {"get"},
    "/api/scheduling/decisions": {"get"},
    "/api/scheduling/preview": {"post"},
    "/api/scheduling/queue": {"get"},
    "/api/scheduling/resources": {"get"},
    "/api/system/gpu": {"get"},
    "/api/system/status": {"get"},
    "/api/usage": {"get"},
    "/api/usage/export": {"get"},
    "/v1/audio/transcriptions": {"post"},
    "/v1/chat/completions": {"post"},
    "/v1/completions": {"post"},
    "/v1/messages": {"post"},
    "/v1/messages/count_tokens": {"post"},
    "/v1/models": {"get"},
    "/v1/rerank": {"post"},
    "/v1/responses": {"post"},
    "/v1/score": {"post"},
    "/v1/tokenize": {"post"},
}


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """Made with every warning an error, and checked against OpenAPI's own schema."""
    file = tmp_path_factory.mktemp("schema") / "schema.yml"
    call_command("spectacular", "--fail-on-warn", "--validate", "--file", str(file))
    return yaml.safe_load(file.read_text())


def test_schema_has_every_operation(schema):
    assert {path: set(made) for path, made in schema["paths"].items()} == OPERATIONS


def test_schema_says_what_each_operation_answers(schema):
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert {"401", "403"} < set(operation["responses"])
    start = schema["paths"]["/api/models/{id}/start"]["post"]["responses"]
    assert set(start) == {"202", "401", "403", "404", "409", "429"}
    create = schema["paths"]["/api/models"]["post"]["responses"]
    assert set(create) == {"201", "400", "401", "403", "413", "415", "429"}


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/api/models", "get", {"404"}),
        ("/api/scheduling/decisions", "get", {"404"}),
        ("/api/tokens", "get", {"404"}),
        ("/api/models/estimate", "post", {"404", "415"}),
        ("/api/models/preflight", "post", {"404"}),
        ("/api/scheduling/preview", "post", {"404"}),
        ("/api/library/downloads", "post", {"409"}),
        ("/api/library/downloads/{uid}/cancel", "post", {"404", "409"}),
        ("/api/library/downloads/{uid}/retry", "post", {"404", "409"}),
        ("/api/monitoring/export", "get", {"429"}),
        ("/api/monitoring/exports", "post", {"429"}),
    ],
)
def test_schema_has_errors_of_state_and_load(schema, path, method, statuses):
    assert statuses <= set(schema["paths"][path][method]["responses"])


@pytest.mark.parametrize("path", ["export", "exports/{uid}/file"])
def test_schema_has_the_types_of_exports(schema, path):
    content = schema["paths"][f"/api/monitoring/{path}"]["get"]["responses"]["200"]
    binary = {"schema": {"type": "string", "format": "binary"}}
    json = {"schema": {"$ref": "#/components/schemas/JsonExport"}}
    assert content["content"] == {
        "text/csv": binary,
        "application/json": json,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": binary,
    }


def test_json_export_has_the_keys_of_its_schema(schema):
    row = schema["components"]["schemas"]["Row"]
    assert set(row["properties"]) == set(row["required"]) == set(COLUMNS)


def test_fields_of_drafts_are_optional(schema):
    assert "required" not in schema["components"]["schemas"]["Draft"]


def test_schema_has_the_limits_of_pages_and_names(schema):
    parameters = schema["paths"]["/api/models"]["get"]["parameters"]
    limits = {each["name"]: each["schema"].get("minimum") for each in parameters}
    assert (limits["page"], limits["page_size"]) == (1, 1)
    download = schema["components"]["schemas"]["DownloadRequest"]["properties"]
    assert download["repo"]["minLength"] == 1
    model = schema["components"]["schemas"]["ServedModel"]["properties"]
    assert model["framework"]["enum"] == ["llama.cpp", "vllm"]
    assert model["driver"]["enum"] == ["process", "docker"]


def test_schema_takes_ids_and_names_in_paths(schema):
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            places = [p for p in operation.get("parameters", []) if p["in"] == "path"]
            assert [p["name"] for p in places] == re.findall(r"{(\w+)}", path)
            ids = [p["schema"]["type"] for p in places if p["name"] == "id"]
            kind = "string" if path.startswith("/api/models/") else "integer"
            assert set(ids) <= {kind}


def test_schema_names_only_what_it_has(schema):
    named = set(re.findall(r"#/components/schemas/(\w+)", yaml.safe_dump(schema)))
    assert named <= set(schema["components"]["schemas"])
    assert schema["components"]["securitySchemes"]["token"] == {
        "type": "http", "scheme": "bearer"
    }  # fmt: skip


def test_generate_is_described_with_its_fields(schema):
    schemas = schema["components"]["schemas"]
    assert set(schemas["GenerateRequest"]["properties"]) == {
        "prompt", "messages", "max_tokens", "temperature", "top_p", "stop", "seed",
        "stream",
    }  # fmt: skip
    assert set(schemas["GenerateResponse"]["properties"]) == {
        "id", "model", "text", "finish_reason", "usage", "latency_ms"
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_docs_need_no_other_site(settings, path):
    settings.DOCS_PUBLIC = True
    page = Client().get(path)
    assert page.status_code == 200
    html = page.content.decode()
    assets = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert assets
    for asset in assets:
        if asset.startswith(path):  # what starts Swagger UI
            assert b"/api/schema" in Client().get(asset).content
        else:
            assert finders.find(asset.removeprefix("/static/"))


@pytest.mark.parametrize("path", ["/api/schema", "/api/schema/"])
def test_public_schema_needs_no_token(settings, path):
    settings.DOCS_PUBLIC = True
    answer = Client().get(path)
    assert answer.status_code == 200
    assert yaml.safe_load(answer.content)["openapi"].startswith("3.")
