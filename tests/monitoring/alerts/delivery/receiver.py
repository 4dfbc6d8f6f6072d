"""A receiver of webhooks that behaves as a test wants."""

import datetime
import socketserver
import ssl
import threading
import time
from dataclasses import dataclass, field
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ENDLESS = b"x" * 65_536


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """status, headers, body: of the response. endless: its body has no end. raw: sent
    in place of a response. drip_s: a pause after each of its bytes. hold: responses
    wait for this event. tls: a context."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    endless: bool = False
    raw: bytes | None = None
    drip_s: float = 0.0
    hold: threading.Event | None = None
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    sent_bytes: int = 0

    def __enter__(self):
        self.server = _Server((self.host, 0), _Handler)
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.url = f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def until(self, count, seconds=20):
        deadline = time.monotonic() + seconds
        while len(self.requests) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.requests) >= count
        return self.requests


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass  # clients hang up


class _Handler(socketserver.StreamRequestHandler):
    def setup(self):
        self.receiver = self.server.receiver
        if self.receiver.tls:
            self.request = self.receiver.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        try:
            super().finish()
        finally:
            self.request.close()

    def handle(self):
        self.request.settimeout(20)
        first = self.rfile.readline().decode().split()
        headers = {}
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        body = self.rfile.read(size)
        if len(body) < size:
            return  # whoever sent it was killed
        self.receiver.requests.append(Request(first[1], headers, body))
        if self.receiver.hold:
            self.receiver.hold.wait(20)
        self.respond()

    def respond(self):
        if self.receiver.raw is not None:
            self.drip(self.receiver.raw)
            return
        lines = {"Content-Length": len(self.receiver.body), **self.receiver.headers}
        if self.receiver.endless:
            del lines["Content-Length"]
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.wfile.write(f"HTTP/1.1 {self.receiver.status} X\r\n{head}\r\n".encode())
        self.wfile.write(self.receiver.body)
        while self.receiver.endless:
            self.wfile.write(ENDLESS)
            self.receiver.sent_bytes += len(ENDLESS)

    def drip(self, text):
        size = 1 if self.receiver.drip_s else len(text) or 1
        for start in range(0, len(text), size):
            self.wfile.write(text[start : start + size])
            time.sleep(self.receiver.drip_s)


def tls_context(folder, name="localhost"):
    """A server's context with a certificate of its own, and the certificate's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        names = [x509.IPAddress(ip_address(name))]
    except ValueError:
        names = [x509.DNSName(name)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
