import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtimes.supervision.probes import Outcome, Probe, Probes, Result


class Engine(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            self.server.over.wait(60)
        status = 503 if self.path == "/loading" else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(self.headers["Authorization"].encode())

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def engine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


class UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)


@pytest.fixture
def unix_engine(tmp_path):
    path = str(tmp_path / "s.sock")
    server = UnixServer(path, Engine)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield path
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]  # bound, but not listening


def result_of(port, path, within=30.0, socket=""):
    probes = Probes()
    url = f"http://127.0.0.1:{port}{path}"
    probes.submit(Probe(uid="u", url=url, socket=socket, key="k"))
    until = time.monotonic() + within
    while time.monotonic() < until:
        if results := probes.results():
            probes.close()
            return results["u"]
        time.sleep(0.01)
    raise AssertionError("no result")


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/health", Result(outcome=Outcome.READY, body="Bearer k")),
        ("/loading", Result(outcome=Outcome.LOADING)),
        ("/slow", Result(outcome=Outcome.SLOW)),
    ],
)
@pytest.mark.parametrize("listens_on", ["engine", "unix_engine"])
def test_answers(request, listens_on, path, result):
    address = request.getfixturevalue(listens_on)
    if listens_on == "unix_engine":
        assert result_of(0, path, socket=address) == result
    else:
        assert result_of(address, path) == result


def test_nobody_listens_on_the_socket(tmp_path):
    path = tmp_path / "s.sock"
    refused = Result(outcome=Outcome.REFUSED)
    assert result_of(0, "/health", socket=str(path)) == refused
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert result_of(0, "/health", socket=str(path)) == refused


def test_closed_port(free_port):
    assert result_of(free_port, "/health") == Result(outcome=Outcome.REFUSED)


def test_a_slow_engine_is_probed_once_and_delays_no_other(engine):
    probes = Probes()
    slow = Probe(uid="slow", url=f"http://127.0.0.1:{engine}/slow", key="k")
    quick = Probe(uid="quick", url=f"http://127.0.0.1:{engine}/", key="k")
    started_at = time.monotonic()
    for _ in range(50):
        probes.submit(slow)
    probes.submit(quick)
    assert len(probes.open) == 2
    while "quick" not in probes.results():
        time.sleep(0.01)
    assert time.monotonic() - started_at < 30
    probes.close()
