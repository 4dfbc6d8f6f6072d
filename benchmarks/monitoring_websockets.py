"""500 pages open on one web process, which a monitor tells of five topics a second.

Prints how late texts arrive and how much of a core the process needs; fails when the
p99 is more than 300 ms. All is on one machine: the clients' own work counts too.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import websockets

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults.installation import Installation  # noqa: E402 -- needs the path

CLIENTS, SECONDS, P99_MS = 500, 20, 300
SERVERS = {
    "daphne": ("daphne", "-v", "0", "-b", "127.0.0.1", "-p"),
    "uvicorn": ("uvicorn", "--no-access-log", "--log-level", "error", "--port"),
}
# 8 GPUs and 20 models, as the monitor publishes them
PUBLISH = """
import time
from monitoring.live.publish import publish
names = "utilization memory_used memory_total temperature power limit clock".split()
gpu = {"uuid": "G" * 40, "index": 1, "name": "NVIDIA H100 80GB HBM3", "node": "node"}
gpus = [{**gpu, **{f"gpu_{name}": 51234.5 for name in names}} for _ in range(8)]
models = [{"id": n, "name": "a-model", "status": "running",
           **{f"figure_{k}": 12.345 for k in range(8)}} for n in range(20)]
host = {f"a_host_metric_{n}": 123456.7 for n in range(18)}
topics = {"host": host, "gpus": gpus, "models": models,
          "status": {"running": 20}, "activity": {"latest": 1}}
while True:
    began = time.monotonic()
    for topic, data in topics.items():
        publish(topic, data)
    time.sleep(max(0, began + 1 - time.monotonic()))
"""
MAKE_TOKEN = """
from django.contrib.auth.models import User
from models_app.tokens.lifecycle import create_token
print(create_token(User.objects.create_superuser("bench"), "bench")[1])
"""


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def serving(server: str) -> Iterator[tuple[psutil.Process, str, str]]:
    """(process, url, token)"""
    with Installation() as site:
        token = site.python(MAKE_TOKEN).split()[-1]
        port = a_free_port()
        program = [sys.executable, "-m", *SERVERS[server], str(port)]
        site.start_process("web", [*program, "llmplatform.asgi:application"])
        site.start_process(
            "teller", [sys.executable, "manage.py", "shell", "-v0", "-c", PUBLISH]
        )
        site.until(lambda: reachable(port))
        process = psutil.Process(site.roles["web"].pid)
        yield process, f"ws://127.0.0.1:{port}/ws/live", token


def reachable(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def listen(url: str, token: str, late_ms: list[float]) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    options = {"compression": None, "open_timeout": 60}
    async with websockets.connect(url, additional_headers=headers, **options) as client:
        count, reported = 0, time.time()
        await client.send('{"seen": 0}')
        async for text in client:
            now = time.time()
            count += 1
            late_ms.append(1000 * (now - json.loads(text)["at"]))
            if now - reported > 0.5:
                reported = now
                await client.send(f'{{"seen": {count}}}')


async def measure(process: psutil.Process, url: str, token: str) -> list[float]:
    late_ms: list[float] = []
    clients = [asyncio.create_task(listen(url, token, late_ms)) for _ in range(CLIENTS)]
    await asyncio.sleep(10)
    late_ms.clear()
    before, began = process.cpu_times(), time.monotonic()
    await asyncio.sleep(SECONDS)
    after, took = process.cpu_times(), time.monotonic() - began
    share = (after.user + after.system - before.user - before.system) / took
    print(f"  {len(late_ms) / took:.0f} texts/s, {share:.0%} of a core", flush=True)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return sorted(late_ms)


def main() -> None:
    failed = False
    for server in SERVERS:
        print(f"websockets: {CLIENTS} clients on {server}", flush=True)
        with serving(server) as (process, url, token):
            late = asyncio.run(measure(process, url, token))
        p50, p99 = (late[int(len(late) * share)] for share in (0.5, 0.99))
        failed |= p99 > P99_MS
        print(f"  p50 {p50:.0f} ms, p99 {p99:.0f} ms (at most {P99_MS}), n={len(late)}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
