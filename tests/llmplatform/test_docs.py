"""Pages of the API for people: documentation, schema and browsable API."""

import pytest
from django.test import Client

from tests.api import client_of
from tests.builders import a_model, a_token, a_user

pytestmark = pytest.mark.django_db

BROWSABLE = ["/api", "/api/models", "/api/models/smol", "/api/system/status"]
PAGES = ["/docs", "/docs?script=", *BROWSABLE]
BROWSER = {"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", [*PAGES, "/api/nothing"])
def test_browser_is_led_to_the_sign_in_page(path):
    a_model()
    response = Client(**BROWSER).get(path)
    if path == "/api/nothing":  # no secret, and no view that could ask for a user
        assert response.status_code == 404
    else:
        assert response.status_code == 302
        assert response["Location"].startswith("/admin/login/?next=/")


@pytest.mark.parametrize("path", ["/api/schema", "/api/models"])
def test_program_without_a_token_is_401(path):
    response = Client().get(path)
    assert response.status_code == 401


def test_schema_is_for_tokens_too():
    token = a_token(a_user("viewer"))
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/schema", headers=headers).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_open_for_people_who_are_signed_in(path):
    a_model()
    client = Client(**BROWSER)
    client.force_login(a_user("viewer"))
    response = client.get(path)
    assert response.status_code == 200
    expected = "javascript" if "script" in path else "text/html"
    assert expected in response["Content-Type"]


@pytest.mark.parametrize("path", BROWSABLE)
def test_browsable_api_renders_and_json_is_the_default(path):
    a_model()
    client = client_of(a_user("operator"))
    page = client.get(path, **BROWSER)
    assert "Django REST framework" in page.content.decode()
    assert client.get(path)["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", ["/docs", "/api/schema"])
def test_docs_public_opens_them(settings, path):
    settings.DOCS_PUBLIC = True
    assert Client(**BROWSER).get(path).status_code == 200
    assert Client(**BROWSER).get("/api/models").status_code == 401
