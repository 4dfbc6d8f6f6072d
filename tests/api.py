"""The API as a client sees it."""

import json
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from tests.builders import a_token, a_user


def client_of(user=None, **headers) -> APIClient:
    """With a token that was used already: no request writes when it was."""
    client = APIClient(**headers)
    if user:
        token = a_token(user, last_used_at=timezone.now() + timedelta(hours=1))
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def operator(**headers) -> APIClient:
    return client_of(a_user("operator"), **headers)


def administrator(**headers) -> APIClient:
    return client_of(a_user("admin"), **headers)


def a_gguf(name="tiny.gguf") -> str:
    """Path of a file that passes for a model."""
    path = settings.DATA_DIR / "models" / name
    path.write_bytes(b"GGUF" + bytes(20))
    return str(path)


def a_body(name="smol", **fields) -> dict:
    config = {"model_path": a_gguf()}
    return {"name": name, "framework": "llama.cpp", "config": config, **fields}


def codes(answer) -> list[tuple[str, str]]:
    """(field, code) of each error."""
    return [(error["field"], error["code"]) for error in answer.json()["errors"]]


def send(client: APIClient, method: str, path: str, body: object):
    """Whatever JSON text can say, however odd."""
    return client.generic(method, path, json.dumps(body), "application/json")
