"""Many streams at once: chunks that arrive per second."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time

import uvloop

PATH = "/v1/chat/completions"


async def receive(port: int, payload: bytes) -> int:
    """Events of one stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(payload)
    count = 0
    while line := await reader.readline():
        count += line.startswith(b"data: ")
        if line == b"data: [DONE]\n":
            break
    writer.close()
    return count


async def receive_all(port: int, payload: bytes, streams: int) -> tuple[int, float]:
    began = time.perf_counter()
    counts = await asyncio.gather(*(receive(port, payload) for _ in range(streams)))
    assert min(counts) == max(counts), "streams differ in length"
    return sum(counts), time.perf_counter() - began


def measure(port: int, token: str, body: dict[str, object], streams: int) -> float:
    """Chunks per second."""
    content = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    count, seconds = uvloop.run(receive_all(port, head.encode() + content, streams))
    return count / seconds


def compare(
    ports: dict[str, int],
    token: str,
    body: dict[str, object],
    streams: int,
    rounds: int,
) -> None:
    spawn = multiprocessing.get_context("spawn")
    found: dict[str, list[float]] = {name: [] for name in ports}
    with spawn.Pool(1) as clients:
        for _ in range(rounds):
            for name, port in ports.items():
                arguments = (port, token, body, streams)
                found[name].append(clients.apply(measure, arguments))
    print(f"\n{streams} streams at once{'':14}{'chunks/s':>11}{'x relay':>27}")
    for name, values in found.items():
        ratios = [a / b for a, b in zip(values, found["relay"], strict=True)]
        rate, ratio = statistics.median(values), statistics.median(ratios)
        print(f"{name:34}{rate:11.0f}{ratio:27.2f}")
