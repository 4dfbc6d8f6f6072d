from pathlib import Path

import pytest

from llmplatform.checks import configuration

PRELOAD = {
    "SECURE_HSTS_SECONDS": 31_536_000,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
}


def ids() -> list[str]:
    return [message.id for message in configuration(None)]


def test_settings_of_the_tests_are_fine():
    assert ids() == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"WEB_PORT": 8000, "API_PORT": 8000}, ["llmplatform.E006"]),
        ({"WEB_PORT": 0}, ["llmplatform.E004"]),
        ({"API_PORT": 65536}, ["llmplatform.E004"]),
        ({"API_PROCESSES": 0}, ["llmplatform.E110"]),
        ({"API_PROCESSES": 65}, ["llmplatform.E110"]),
        ({"SERVE_WITHOUT_DATABASE_MINUTES": 0}, ["llmplatform.E012"]),
        ({"SERVE_WITHOUT_DATABASE_MINUTES": 10081}, ["llmplatform.E012"]),
        ({"WEB_PORT": 21000}, ["llmplatform.E005"]),
        ({"ENGINE_PORTS": range(22000, 21000)}, ["llmplatform.E007"]),
        ({"ENGINE_PORTS": range(65000, 65537)}, ["llmplatform.E007"]),
        ({"DATA_DIR": Path("/nowhere")}, ["llmplatform.E002"]),
        ({"METRICS_NETWORKS": ["10.1.2.0/24", "::1/128"]}, []),
        ({"METRICS_NETWORKS": ["10.1.2.3/24"]}, ["llmplatform.E008"]),
        ({"GATEWAY_UNKNOWN_FIELDS": "ignore"}, ["llmplatform.E009"]),
        ({"RESPONSE_CACHE_BYTES": 0}, []),
        ({"RESPONSE_CACHE_BYTES": -1}, ["llmplatform.E011"]),
        ({"DOWNLOAD_NETWORKS": ["10.0.0.0/8"]}, []),
        ({"DOWNLOAD_NETWORKS": ["10.0.0.0/33"]}, ["llmplatform.E008"]),
        ({"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.0/8", "fd00::/8"]}, []),
        ({"WEBHOOK_ALLOWED_NETWORKS": ["10.0.0.1/8"]}, ["llmplatform.E008"]),
        ({"EMAIL_USE_TLS": True, "EMAIL_USE_SSL": True}, ["llmplatform.E054"]),
        ({"EMAIL_PORT": 0}, ["llmplatform.E055"]),
        ({"DEFAULT_FROM_EMAIL": "LLM <llm@example.com>"}, []),
        ({"DEFAULT_FROM_EMAIL": "nobody"}, ["llmplatform.E056"]),
        ({"DEFAULT_FROM_EMAIL": "a@b.com\nBcc: c@d.com"}, ["llmplatform.E056"]),
        ({"PUBLIC_URL": "https://llm.example.com:8443"}, []),
        ({"PUBLIC_URL": "llm.example.com"}, ["llmplatform.E057"]),
        ({"PUBLIC_URL": "https://llm.example.com/llm"}, ["llmplatform.E057"]),
        ({"EMAIL_HOST_USER": "u", "EMAIL_HOST_PASSWORD": "p"}, []),
        ({"EMAIL_HOST_USER": "u"}, ["llmplatform.E058"]),
        ({"SESSION_COOKIE_AGE": 60, "PASSWORD_MIN_LENGTH": 8}, []),
        ({"SESSION_COOKIE_AGE": 0}, ["llmplatform.E050"]),
        ({"PASSWORD_MIN_LENGTH": 7}, ["llmplatform.E051"]),
        ({"AXES_FAILURE_LIMIT": 0}, ["llmplatform.E053"]),
        ({"SIGN_IN_LOCK_MINUTES": 0}, ["llmplatform.E053"]),
        ({"EXPIRED_TOKEN_DAYS": -1}, ["llmplatform.E052"]),
        ({"USAGE_DAYS": 0}, ["llmplatform.E100"]),
        ({"CURRENCY": "yuan"}, ["llmplatform.E101"]),
        ({"SECURE_HSTS_SECONDS": 0}, []),
        ({"SECURE_HSTS_SECONDS": -1}, ["llmplatform.E040"]),
        ({**PRELOAD}, []),
        ({**PRELOAD, "SECURE_HSTS_SECONDS": 86_400}, ["llmplatform.E041"]),
        ({**PRELOAD, "SECURE_HSTS_INCLUDE_SUBDOMAINS": False}, ["llmplatform.E041"]),
        ({"URL_PREFIX": "/llm"}, []),
        ({"URL_PREFIX": "/a/b-c"}, []),
        ({"URL_PREFIX": "llm"}, ["llmplatform.E042"]),
        ({"URL_PREFIX": "//llm"}, ["llmplatform.E042"]),
        ({"CORS_ORIGINS": ["*", "https://a.example.com", "http://[::1]:3000"]}, []),
        ({"CORS_ORIGINS": ["a.example.com"]}, ["llmplatform.E043"]),
        ({"CORS_ORIGINS": ["https://a.example.com/"]}, ["llmplatform.E043"]),
        ({"BIND": "[::]"}, []),
        ({"BIND": "::1"}, []),
        ({"BIND": "localhost"}, ["llmplatform.E020"]),
        ({"HEADER_SECONDS": 0}, ["llmplatform.E021"]),
        ({"MODEL_ROOT_SECONDS": 0}, ["llmplatform.E021"]),
        ({"WEBSOCKETS_PER_TOKEN": -1}, ["llmplatform.E021"]),
        ({"MODEL_ROOTS": [Path("/")]}, ["llmplatform.E003"]),
        ({"EMBEDDED_BROKER_SOCKET": Path("/" + 107 * "x")}, ["llmplatform.E001"]),
        ({"EMBEDDED_BROKER_SOCKET": Path("/" + 106 * "x")}, []),
        ({"RUNS_DIR": Path("/" + 64 * "x")}, ["llmplatform.E015"]),
        ({"RUNS_DIR": Path("/" + 63 * "x")}, []),
        (
            {"EMBEDDED_BROKER_SOCKET": Path(200 * "x"), "EMBEDDED_BROKER": False},
            [],
        ),
    ],
)
def test_mistake_has_its_id(settings, changed, expected):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert ids() == expected


def test_model_root_below_the_runs_or_linked_there_is_refused(settings, tmp_path):
    link = tmp_path / "models"
    link.symlink_to(settings.RUNS_DIR / "models")
    settings.MODEL_ROOTS = [link]
    assert ids() == ["llmplatform.E003"]


def test_every_message_says_what_to_do(settings):
    settings.WEB_PORT = settings.API_PORT = 0
    messages = configuration(None)
    assert len(messages) == 3
    assert all(message.hint for message in messages)
