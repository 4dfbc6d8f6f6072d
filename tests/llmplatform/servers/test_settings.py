"""Servers with other settings, or without what they need."""

from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.llmplatform.servers.site import PORTS, Site, receive


@pytest.fixture(scope="module")
def https():
    with Site(HTTPS="1", TRUST_PROXY="1", HEADER_SECONDS="2") as site:
        yield site.serve()


@pytest.fixture(scope="module")
def https_token(https):
    return https.token()


PROXIED = "X-Forwarded-Proto: https"


@pytest.mark.parametrize("port", PORTS)
class TestHttps:
    @pytest.mark.parametrize("path", ["/v1/models", "/api/models", "/metrics"])
    def test_token_over_plain_http_is_not_accepted(
        self, https, https_token, port, path
    ):
        header = f"Authorization: Bearer {https_token}"
        assert https.get(port, path, header, PROXIED).status == 200
        response = https.get(port, path, header)
        body = response.json
        code = body.get("error", body)["code"]
        assert (response.status, code) == (403, "https_required")

    def test_page_is_redirected(self, https, port):
        response = https.get(port, "/admin/login/")
        assert response.status == 301
        assert response.headers["location"].startswith("https://")

    def test_sign_in_over_plain_http_is_refused(self, https, port):
        head = b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        response = https.send(port, head + b"Content-Length: 2\r\n\r\na=")
        assert (response.status, response.json["code"]) == (403, "https_required")

    def test_websocket_over_plain_http_is_refused(self, https, https_token, port):
        url = f"ws://127.0.0.1:{https.ports[port]}/ws/live"
        headers = {"Authorization": f"Bearer {https_token}"}
        with pytest.raises(InvalidStatus):
            connect(url, additional_headers=headers, proxy=None)
        headers["X-Forwarded-Proto"] = "https"
        with connect(url, additional_headers=headers, proxy=None):
            pass

    @pytest.mark.parametrize("path", ["/v1/models", "/api/models", "/admin/login/"])
    def test_hsts(self, https, port, path):
        sent = https.get(port, path, PROXIED).headers
        assert sent["strict-transport-security"].startswith("max-age=")
        assert "strict-transport-security" not in https.get(port, path).headers

    def test_probe_over_plain_http_is_answered(self, https, port):
        assert https.get(port, "/readyz").status == 200


@pytest.fixture(scope="module")
def small():
    limits = {
        "CONNECTIONS_PER_ADDRESS": "20",
        "WEBSOCKETS_PER_TOKEN": "2",
        "KEEP_ALIVE_SECONDS": "4",
    }
    with Site(BIND="[::]", **limits) as site:
        yield site.serve()


@pytest.mark.parametrize("port", PORTS)
class TestSmallLimits:
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_bind_to_both_families(self, small, port, host):
        assert small.get(port, "/healthz", host=host).status == 200

    def test_connections_of_an_address_are_limited(self, small, port):
        clients = [small.connect(port) for _ in range(20)]
        try:
            response = small.get(port, "/healthz")
            assert response.status == 429
            assert response.json["code"] == "too_many_connections"
            assert response.headers["retry-after"] == "10"
            assert small.get(port, "/healthz", host="::1").status == 200
        finally:
            for client in clients:
                client.close()
        small.until(lambda: small.get(port, "/healthz").status == 200)

    def test_websockets_of_a_token_are_limited(self, small, port):
        url = f"ws://127.0.0.1:{small.ports[port]}/ws/live"
        first, second = small.token(), small.token()

        def open_websocket(token):
            headers = {"Authorization": f"Bearer {token}"}
            return connect(url, additional_headers=headers, proxy=None)

        def can_open():
            with suppress(InvalidStatus):
                return open_websocket(first)

        for _ in range(5):  # more than the address may have, were they not given back
            with small.until(can_open), small.until(can_open):
                with pytest.raises(InvalidStatus):
                    open_websocket(first)
                with open_websocket(second):
                    pass

    def test_idle_connection_is_closed_after_keep_alive(self, small, port):
        with small.connect(port) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert receive(client).status == 200
            assert client.recv(1) == b""


@pytest.mark.parametrize("port", PORTS)
def test_readiness_names_what_is_missing(port):
    with Site() as site:
        site.serve(port)
        site.kill("broker")
        response = site.get(port, "/readyz")
        assert response.status == 503
        assert response.json["failed"] == ["broker_unavailable"]
        site.kill(port)
        site.env["DATABASE_URL"] = "postgres://somebody:s3cret@127.0.0.1:1/nothing"
        site.serve(port)
        response = site.get(port, "/readyz")
        failed = ["database_unavailable", "broker_unavailable"]
        assert response.json == {"status": "not_ready", "failed": failed}
        assert site.get(port, "/healthz").status == 200
