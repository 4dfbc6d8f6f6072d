"""The policy, seen from outside on both ports."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.llmplatform.servers.site import PORTS

pytestmark = pytest.mark.parametrize("port", PORTS)

EVIL = "Host: evil.example"


@pytest.mark.parametrize("path", ["/v1/models", "/api/models", "/admin/login/"])
def test_foreign_host_is_refused(site, port, path):
    assert site.get(port, path, EVIL).status == 400


def open_websocket(site, port, path, *, token="", host=""):
    headers = {"Host": host} if host else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = f"ws://127.0.0.1:{site.ports[port]}{path}"
    return connect(url, additional_headers=headers, proxy=None)


def test_websocket_is_accepted_with_a_token(site, port, token):
    with open_websocket(site, port, "/ws/live", token=token) as websocket:
        websocket.send('{"topics": ["host"]}')
        websocket.ping().wait(10)


def test_secret_in_the_address_of_a_websocket_is_not_logged(site, port):
    with pytest.raises(InvalidStatus):
        open_websocket(site, port, "/ws/live?token=s3cret-token&x=1")
    assert site.get(port, "/nothing?token=s3cret-token").status == 404
    assert "s3cret-token" not in site.log(port)


@pytest.mark.parametrize("path", ["/v1/models", "/api/models", "/admin/login/"])
def test_two_authorization_headers_are_refused(site, port, token, path):
    header = f"Authorization: Bearer {token}"
    response = site.get(port, path, header, "authorization: Bearer other")
    body = response.json
    code = body.get("error", body)["code"]
    assert (response.status, code) == (400, "repeated_authorization")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", ["Host: 10.1.2.3", EVIL, "X: no host"])
def test_probe_needs_neither_token_nor_host(site, port, path, host):
    response = site.get(port, path, host)
    assert (response.status, response.json) == (200, {"status": "ok", "failed": []})


def test_probe_allows_reading_only(site, port):
    request = b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    response = site.send(port, request)
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/admin/login/", "/static/icon.svg", "/static/nothing", "/nothing"),
        *("/v1/models", "/v1/nothing", "/api/models", "/api/nothing", "/healthz"),
    ],
)
def test_every_response_has_the_id_of_its_request(site, port, path):
    response = site.get(port, path, "X-Request-Id: mine-1")
    assert response.headers["x-request-id"] == "mine-1"
    assert len(site.get(port, path).headers["x-request-id"]) == 32


def test_log_names_the_request(site, port):
    site.get(port, "/api/nothing-at-all", "X-Request-Id: mine-2")
    site.until(lambda: "[request mine-2]" in site.log(port))


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("//v1/chat/completions", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models", "/v1/models"),
        ("/v1/v1/models", "/v1/models"),
        ("/v1//completions", "/v1/completions"),
        ("/api/v1/models/", ""),
        ("/nothing", ""),
    ],
)
def test_unknown_path_gets_json_with_a_hint(site, port, path, hint):
    response = site.get(port, path, "Accept: application/json")
    body = response.json
    message = body.get("error", body)["message"]
    assert response.status == 404
    assert message.endswith(f"Did you mean {hint}?" if hint else "on this server.")


def test_page_that_does_not_exist_is_html_for_a_browser(site, port):
    response = site.get(port, "/nothing", "Accept: text/html,*/*;q=0.8")
    kind = {"web": "text/html", "api": "application/json"}[port]
    assert response.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", ["/api/models", "/v1/models", "/v1/nothing"])
def test_responses_of_the_apis_are_not_stored(site, port, path):
    assert site.get(port, path).headers["cache-control"] == "no-store"
