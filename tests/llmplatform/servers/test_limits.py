"""What a client can make the servers hold, on both ports."""

import contextlib
import socket
import struct
import time

import pytest

from tests.llmplatform.servers.site import PORTS, is_closed, receive

pytestmark = pytest.mark.parametrize("port", PORTS)

HEAD = b"POST /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json"
CHUNKED = b"\r\nTransfer-Encoding: chunked"
JSON = "Content-Type: application/json"
MIB = 2**20
RESET = struct.pack("ii", 1, 0)  # when it is closed


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"GET /",
    ],
)
@pytest.mark.parametrize("line", [b"x" * 1000, b"X: " + b"y" * 1000 + b"\r\n"])
def test_endless_header_is_cut(site, port, start, line):
    before = site.memory_mib(port)
    with site.connect(port) as client:
        client.sendall(start)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 20 * MIB:
                client.sendall(line * 64)
                sent += 64 * len(line)
        response = receive(client)
    assert response.status in (431, 400)
    assert response.json["code"] in ("header_too_large", "malformed_request")
    assert site.memory_mib(port) - before < 8


def test_large_header_that_is_complete_is_refused(site, port):
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(66))
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + b"\r\n"
    response = site.send(port, request)
    assert (response.status, response.json["code"]) == (431, "header_too_large")
    assert len(response.headers["x-request-id"]) == 32


def test_header_below_the_limit_is_accepted(site, port):
    lines = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(50))
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + lines + b"\r\n"
    assert site.send(port, request).status == 200


def test_endless_trailer_is_cut(site, port):
    start = HEAD + b"\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "
    before = site.memory_mib(port)
    with site.connect(port) as client:
        client.sendall(start)
        with contextlib.suppress(OSError):
            for _ in range(300):
                client.sendall(b"x" * 65536)
        assert is_closed(client)
    assert site.memory_mib(port) - before < 8


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        HEAD + b"\r\nContent-Length: 1000\r\n\r\n{",
        HEAD + b"\r\nAuthorization: Bearer TOKEN" + CHUNKED + b"\r\n\r\nff\r\n",
    ],
)
def test_slow_request_times_out(site, port, token, sent):
    """Each byte comes soon after the last."""
    sent = sent.replace(b"TOKEN", token.encode())
    with site.connect(port) as client:
        client.sendall(sent)
        client.settimeout(0.2)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                response = receive(client)
                break
            except TimeoutError:
                client.sendall(b"x")
    assert (response.status, response.json["code"]) == (408, "request_timeout")


def test_silent_connection_is_closed(site, port):
    with site.connect(port) as client:
        assert is_closed(client)


def test_connection_is_kept_alive(site, port):
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with site.connect(port) as client:
        for _ in range(2):
            client.sendall(request)
            assert receive(client).status == 200
            time.sleep(5.5)  # longer than servers' own default, and than HEADER_SECONDS
        client.sendall(request)
        assert receive(client).status == 200


def test_idle_connections_cost_little(site, port):
    """What a connection took is free as soon as it is reset."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    used = []
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for _ in range(900):  # below CONNECTIONS_PER_ADDRESS
                client = stack.enter_context(site.connect(port))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.sendall(request)
                assert receive(client).status == 200
            assert site.get(port, "/healthz").status == 200
            used.append(site.memory_mib(port))
        site.until(lambda: site.connections(port) == 0)
    assert used[-1] - used[1] < 12


def post(length, *headers, path="/api/models"):
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


@pytest.mark.parametrize("token", ["", "Authorization: Bearer unknown"])
def test_large_body_of_an_unknown_client_is_not_read(site, port, token):
    sent = post(9 * MIB, *([token] if token else []))
    response = site.send(port, sent)  # and no body
    assert (response.status, response.json["code"]) == (401, "sign_in_before_body")


def test_chunked_body_of_an_unknown_client_is_not_read(site, port):
    sent = HEAD + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert site.send(port, sent).status == 401


def test_client_that_sends_on_receives_the_refusal(site, port):
    response = site.send(port, post(2 * MIB), b"x" * 2 * MIB)
    assert response.status == 401


def test_small_body_of_an_unknown_client_reaches_the_application(site, port):
    response = site.send(port, post(2), b"{}")
    assert (response.status, response.json["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("size", [int(9.9 * MIB), 3 * MIB, 20 * MIB])
def test_body_that_is_too_large_gets_413(site, port, token, size):
    head = post(
        size, f"Authorization: Bearer {token}", "Content-Type: application/json"
    )
    content = b'"' + b"x" * (size - 2) + b'"'
    response = site.send(port, head, content if size < 10 * MIB else b"")
    assert (response.status, response.json["code"]) == (413, "request_too_large")


def test_body_of_a_known_client_is_read(site, port, token):
    size = MIB
    head = post(
        size, f"Authorization: Bearer {token}", "Content-Type: application/json"
    )
    response = site.send(port, head, b'"' + b"x" * (size - 2) + b'"')
    assert response.status == 400


def test_encoded_body_is_refused(site, port, token):
    head = post(3, f"Authorization: Bearer {token}", "Content-Encoding: gzip")
    response = site.send(port, head, b"abc")
    assert (response.status, response.json["code"]) == (415, "content_encoding")
    assert response.headers["accept-encoding"] == "identity"


def test_body_in_an_unknown_coding_is_refused(site, port, token):
    head = HEAD + f"\r\nAuthorization: Bearer {token}".encode()
    sent = head + b"\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    response = site.send(port, sent)
    # Twisted does not read on.
    expected = {"web": (400, "malformed_request"), "api": (501, "transfer_encoding")}
    assert (response.status, response.json["code"]) == expected[port]


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n"])
def test_malformed_request_gets_json(site, port, sent):
    response = site.send(port, sent)
    assert (response.status, response.json["code"]) == (400, "malformed_request")
