"""Both servers as processes, and clients that speak to them byte by byte."""

import json
import socket
import sys
from dataclasses import dataclass
from uuid import uuid4

import psutil

from tests.faults.installation import Installation

PORTS = ("web", "api")
QUICK = {"HEADER_SECONDS": "2", "BODY_SECONDS": "3"}


def a_free_port(host="127.0.0.1"):
    with socket.socket() as listener:
        listener.bind((host, 0))
        return listener.getsockname()[1]


@dataclass
class Response:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Site(Installation):
    def __init__(self, **settings):
        ports = {"WEB_PORT": str(a_free_port()), "API_PORT": str(a_free_port())}
        super().__init__(**ports, **settings)
        self.ports = {name: int(self.env[f"{name.upper()}_PORT"]) for name in PORTS}

    def serve(self, *names):
        for name in names or PORTS:
            argv = [sys.executable, "-m", "llmplatform.servers", name]
            self.start_process(name, argv)
        for name in names or PORTS:
            self.until(lambda name=name: self.answers(name))
        return self

    def answers(self, name):
        try:
            return self.get(name, "/healthz").status == 200
        except OSError:
            return False

    def token(self):
        self.python(
            "from django.contrib.auth.models import User\n"
            "User.objects.filter(username='root').exists() or"
            " User.objects.create_superuser('root', password='x')"
        )
        name = uuid4().hex
        return self.manage("create_api_token", "root", "--name", name).split()[-1]

    def connect(self, name, host="127.0.0.1"):
        return socket.create_connection((host, self.ports[name]), timeout=20)

    def get(self, name, path, *headers, host="127.0.0.1"):
        lines = [f"GET {path} HTTP/1.1", *headers, "Connection: close", "", ""]
        if not any(line.lower().startswith("host:") for line in headers):
            lines.insert(1, "Host: 127.0.0.1")
        return self.send(name, "\r\n".join(lines).encode(), host=host)

    def send(self, name, *parts, host="127.0.0.1"):
        with self.connect(name, host) as client:
            for part in parts:
                client.sendall(part)
            return receive(client)

    def memory_mib(self, name):
        pid = self.roles[name].pid
        return psutil.Process(pid).memory_info().rss // 2**20

    def connections(self, name):
        found = psutil.Process(self.roles[name].pid).net_connections()
        address = ("127.0.0.1", self.ports[name])
        return sum(each.laddr == address and bool(each.raddr) for each in found)

    def log(self, name):
        return (self.data_dir / f"{name}.log").read_text()


def receive(client):
    """The next response, whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(client)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(client)
    while "transfer-encoding" in headers and not body.endswith(b"0\r\n\r\n"):
        body += _more(client)
    return Response(int(first.split()[1]), headers, body)


def _more(client):
    data = client.recv(65536)
    if not data:
        raise ConnectionResetError("closed")
    return data


def is_closed(client, seconds=20):
    client.settimeout(seconds)
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True
