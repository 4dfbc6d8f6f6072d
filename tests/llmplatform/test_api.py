import pytest
from django.conf import settings
from django.test import Client

from models_app.models import ApiToken
from tests.api import a_body, client_of, codes, operator, send
from tests.builders import a_model, a_user
from tests.llmplatform.test_schema import OPERATIONS

pytestmark = pytest.mark.django_db


def broken():
    """A framework that fails in a way nobody foresaw."""
    raise ZeroDivisionError("the secret in the trace")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/api/nothing/at/all/", 404, "not_found"),
        ("GET", "/api/models/a/b", 404, "not_found"),
        ("GET", "/api//models", 404, "not_found"),
        ("DELETE", "/api/models", 405, "method_not_allowed"),
        ("POST", "/api/models/smol", 405, "method_not_allowed"),
        ("GET", "/api/models/none", 404, "not_found"),
    ],
)
def test_errors_have_one_shape(method, path, status, code):
    a_model()
    answer = operator().generic(method, path)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert (set(body), body["code"], body["errors"]) == (
        {"code", "message", "errors"}, code, []
    )  # fmt: skip
    assert body["message"]


@pytest.mark.parametrize("path", [p for p in OPERATIONS if p.startswith("/api/")])
def test_every_path_lists_its_methods(path):
    a_model("smol")
    there = path.format(id="smol", uid="0" * 32, prefix="0")
    # Generation is not answered by Django; of exports and downloads there are none.
    allowed = {404} if path.endswith("/generate") else {200, 404}
    assert client_of(a_user("admin")).options(there).status_code in allowed


@pytest.mark.parametrize(
    "header",
    [
        None, "Bearer", "Bearer wrong", "Bearer two words", "Basic YTpi", "Bearer \xff",
        "Bearer " + "x" * 5000, "Bearer a\0b",
    ],
)  # fmt: skip
def test_no_valid_token_is_401(header):
    client = client_of()
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)
    answer = client.get("/api/models")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    tried = (header or "").startswith("Bearer")
    code = "authentication_failed" if tried else "not_authenticated"
    assert answer.json()["code"] == code


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_name_of_the_scheme_is_taken_in_any_case(scheme):
    client, user = client_of(), a_user("viewer")
    _, token = ApiToken.objects.create(user=user, name="t")
    client.credentials(HTTP_AUTHORIZATION=f"{scheme} {token}")
    assert client.get("/api/models").status_code == 200


def test_token_of_an_inactive_user_is_401():
    user = a_user("operator")
    client = client_of(user)
    user.is_active = False
    user.save()
    assert client.get("/api/models").status_code == 401


@pytest.mark.parametrize("with_token", [False, True])
def test_a_session_needs_the_csrf_token_to_write(with_token):
    client = Client(enforce_csrf_checks=True)
    client.force_login(a_user("operator"))
    assert client.get("/api/models").status_code == 200
    headers = {}
    if with_token:
        client.get("/admin/login/")
        client.cookies[settings.CSRF_COOKIE_NAME] = token = "a" * 32
        headers = {"X-CSRFToken": token}
    answer = client.post(
        "/api/models", a_body(), content_type="application/json", headers=headers
    )
    assert answer.status_code == (201 if with_token else 403)
    if not with_token:
        assert answer.json()["code"] == "permission_denied"


def test_browsable_api_shows_pages():
    a_model()
    client = Client()
    client.force_login(a_user("admin"))
    for path in ("/api", "/api/models", "/api/models/smol", "/api/models/smol/status"):
        page = client.get(path, headers={"Accept": "text/html"})
        assert (page.status_code, page["Content-Type"]) == (
            200, "text/html; charset=utf-8"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"{", 400, "parse_error"),
        (b"\xff\xfe", 400, "parse_error"),
        (b'{"name": NaN}', 400, "parse_error"),
        (b'{"priority": ' + b"9" * 5000 + b"}", 400, "parse_error"),
        (b"[" * 200_000, 400, "too_deep"),
        (b" " * 3_000_000, 413, "request_too_large"),
        (b"[]", 400, "validation_error"),
        (b"null", 400, "validation_error"),
        (b"7", 400, "validation_error"),
        (b"", 400, "validation_error"),
        (b'{"config": ' + b"[" * 500 + b"]" * 500 + b"}", 400, "validation_error"),
    ],
)
def test_a_body_that_cannot_be_used(text, status, code):
    answer = operator().generic("POST", "/api/models", text, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_number_that_overflows_is_refused():
    text = b'{"name": "a", "framework": "llama.cpp", "config": {"top_p": 1e999}}'
    answer = operator().generic("POST", "/api/models", text, "application/json")
    assert (answer.status_code, codes(answer)) == (400, [("config", "not_storable")])


@pytest.mark.parametrize("deep", ["config", "tags", "name", "priority", "preemptible"])
def test_deep_values_are_refused(deep):
    nested = "[" * 900 + "]" * 900
    text = f'{{"name": "a", "framework": "x", "config": {{}}, "{deep}": {nested}}}'
    answer = operator().generic("POST", "/api/models", text, "application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_other_kinds_of_bodies_are_415(kind):
    answer = operator().generic("POST", "/api/models", "name=a", kind)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


def test_what_nobody_foresaw_is_500_without_a_trace(settings):
    settings.FRAMEWORKS = {"odd": f"{__name__}.broken"}
    body = a_body(framework="odd")
    answer = send(operator(), "POST", "/api/models", body)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.content.decode()


def test_messages_follow_the_language_and_codes_do_not():
    body = {"framework": "llama.cpp", "config": {}}
    answers = [
        send(operator_in(language), "POST", "/api/models", body)
        for language in ("en", "zh-hans")
    ]
    assert [codes(answer) for answer in answers] == [[("name", "required")]] * 2
    english, chinese = (answer.json()["errors"][0]["message"] for answer in answers)
    assert (english, chinese) == ("This field is required.", "该字段是必填项。")


def operator_in(language):
    return client_of(
        a_user("operator", name=f"reads-{language}"), HTTP_ACCEPT_LANGUAGE=language
    )
