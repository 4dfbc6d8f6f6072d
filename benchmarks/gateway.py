"""What the gateway adds to a request, against a direct call to the same upstream.

    python benchmarks/gateway.py

Starts an upstream that answers at once with a small chat completion, whole or in events
as requested, and the gateway as the api role runs it (uvicorn, one process) on an
installation of its own in a temporary folder. Prints the median latency of one
connection, direct and through the gateway in turns, and the requests a second of 32.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, PER_ROUND, WARM_UP = 20, 100, 300
CONNECTIONS, SECONDS = 32, 5
KEY = secrets.token_urlsafe(32)
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "bench",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello! How can I help you?"},
        }
    ],
    "usage": {"prompt_tokens": 31, "completion_tokens": 8, "total_tokens": 39},
}
CHAT = {"model": "bench", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT = {"prompt": "Hello, how are you?"}


def piece(text: str, finish: str | None = None) -> object:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "bench",
        "choices": [{"index": 0, "finish_reason": finish, "delta": {"content": text}}],
    }


def streamed() -> bytes:
    """The same answer in events, as llama.cpp cuts it into chunks."""
    pieces = ["Hello!", " How", " can", " I", " help", " you", "?"]
    usage = {"choices": [], "usage": ANSWER["usage"]}
    events = [*map(piece, pieces), piece("", "stop"), usage]
    data = [*map(json.dumps, events), "[DONE]"]
    chunks = [f"data: {text}\n\n".encode() for text in data] + [b""]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


class Upstream(asyncio.Protocol):
    """The least that speaks HTTP: reads one request at a time, answers at once."""

    body = json.dumps(ANSWER).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: "
    whole = b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    events = b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = head + whole + body
    stream = head + events + streamed()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if end and len(body) >= content_length(head):
            self.received = b""
            wants_stream = b'"stream": true' in body
            self.transport.write(self.stream if wants_stream else self.answer)


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


async def serve_upstream(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


def request(path: str, body: object, token: str) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Connection:
    def __init__(self, port: int, payload: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.payload = payload

    def send(self) -> float:
        """Seconds from the first byte sent to the last byte received."""
        began = time.perf_counter()
        self.socket.sendall(self.payload)
        received = b""
        while True:
            received += self.socket.recv(65536)
            head, end, body = received.partition(b"\r\n\r\n")
            if end and len(body) >= content_length(head):
                break
        took = time.perf_counter() - began
        assert head.startswith(b"HTTP/1.1 200"), received
        return took


def latencies(connections: dict[str, Connection]) -> dict[str, list[float]]:
    """In turns, so that whatever else the machine does falls on all alike."""
    for connection in connections.values():
        for _ in range(WARM_UP):
            connection.send()
    found: dict[str, list[float]] = {name: [] for name in connections}
    for _ in range(ROUNDS):
        for name, connection in connections.items():
            found[name] += [connection.send() for _ in range(PER_ROUND)]
    return found


async def throughput(port: int, payload: bytes) -> float:
    async def client(until: float) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.perf_counter() < until:
            writer.write(payload)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(content_length(head))
            count += 1
        writer.close()
        return count

    until = time.perf_counter() + SECONDS
    counts = await asyncio.gather(*(client(until) for _ in range(CONNECTIONS)))
    return sum(counts) / SECONDS


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def install(upstream_port: int) -> str:
    """Rows of a running model whose engine is the upstream; a token that may use it."""
    import django  # noqa: PLC0415 -- settings read the environment, set before

    django.setup()
    from django.contrib.auth.models import User  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    from models_app.models import ApiToken, Run, ServedModel  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    model = ServedModel.objects.create(
        name="bench", status="running", desired_state="running", generation=1
    )
    Run.objects.create(
        model=model, generation=1, state="ready", framework="llama.cpp",
        driver="process", config={"temperature": 0.7}, node="here", port=upstream_port,
        cpu_cores=1, memory_mib=0, engine_key=KEY, boot_id="x", handle={"pid": 1},
    )  # fmt: skip
    user = User.objects.create_superuser("bench", password=secrets.token_urlsafe())
    _, token = ApiToken.objects.create(user=user, name="bench")
    return str(token)


@contextmanager
def program(port: int, *arguments: str) -> Iterator[None]:
    """Runs until the end of the block; waits until it listens."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    upstream, gateway = free_port(), free_port()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for name in ("DATABASE_URL", "REDIS_URL", "DATABASE_URL_FILE"):
            os.environ.pop(name, None)
        os.environ |= {
            "DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
            "LOG_LEVEL": "ERROR",
        }
        sys.path.insert(0, str(ROOT))
        token = install(upstream)
        served = (__file__, "upstream", str(upstream))
        stack.enter_context(program(upstream, *served))
        api = ("-m", "uvicorn", "llmplatform.asgi:application", "--log-level", "error")
        stack.enter_context(program(gateway, *api, "--port", str(gateway)))
        measure(upstream, gateway, token)


def measure(upstream: int, gateway: int, token: str) -> None:
    requests = {
        "direct": (upstream, request("/v1/chat/completions", CHAT, KEY)),
        "/v1/chat/completions": (
            gateway,
            request("/v1/chat/completions", CHAT, token),
        ),
        "/api/models/bench/generate": (
            gateway,
            request("/api/models/bench/generate", PROMPT, token),
        ),
    }
    found = latencies({name: Connection(*to) for name, to in requests.items()})
    direct = statistics.median(found["direct"])
    print(f"{'1 connection':28} {'p50 ms':>8} {'p99 ms':>8} {'added at p50':>13}")
    for name, seconds in found.items():
        p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
        added = f"{(p50 - direct) * 1000:.3f} ms"
        print(f"{name:28} {p50 * 1000:8.3f} {p99 * 1000:8.3f} {added:>13}")
    print(f"\n{CONNECTIONS} connections{'':14} requests/s")
    for name, (port, payload) in requests.items():
        print(f"{name:28} {asyncio.run(throughput(port, payload)):10.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["upstream"]:
        asyncio.run(serve_upstream(int(sys.argv[2])))
    else:
        main()
