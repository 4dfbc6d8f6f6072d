"""An image registry: the read-only part of version 2 of its API."""

import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from contextlib import contextmanager

CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Of one image, NAME:1, of layers of so many bytes that cannot be compressed."""

    def __init__(self, address: str, name: str, sizes: list[int]) -> None:
        self.image = f"{address}/{name}:1"
        self.blobs: dict[str, bytes] = {}
        self.broken = False
        self.sends = threading.Event()
        self.sends.set()
        layers = [layer(number, size) for number, size in enumerate(sizes)]
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [digest(t) for t in layers]},
            }
        ).encode()
        parts = [self._part(gzip.compress(tar, 1), LAYER) for tar in layers]
        described = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._part(config, CONFIG),
            "layers": parts,
        }
        self.manifest = json.dumps(described).encode()
        self.name = name

    def _part(self, data: bytes, kind: str) -> dict[str, object]:
        self.blobs[digest(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": digest(data)}

    def answer(self, path: str) -> tuple[int, str, bytes]:
        place, _, what = path.rpartition("/")
        if path == "/v2/":
            return 200, "application/json", b"{}"
        if place == f"/v2/{self.name}/blobs" and what in self.blobs:
            self.sends.wait(10)
            if self.broken:
                return 200, "application/octet-stream", b"broken"
            return 200, "application/octet-stream", self.blobs[what]
        known = ("1", digest(self.manifest))
        if place == f"/v2/{self.name}/manifests" and what in known:
            return 200, MANIFEST, self.manifest
        unknown = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}'
        return 404, "application/json", unknown


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(number: int, size: int) -> bytes:
    """A tar file with one file."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        content = hashlib.shake_128(str(number).encode()).digest(size)
        entry = tarfile.TarInfo(f"layer-{number}")
        entry.size = size
        tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


@contextmanager
def serving(name: str, sizes: list[int]):
    """On 127.0.0.1, where Docker needs no certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = registry.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = Registry(f"127.0.0.1:{server.server_port}", name, sizes)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield registry
        registry.sends.set()
        server.shutdown()
