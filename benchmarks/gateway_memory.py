"""Memory of the gateway over many requests, and with many idle connections.

    python benchmarks/gateway_memory.py [--requests N] [--connections N]

Needs wrk. The engine answers at once; a tenth of the requests are streams.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from contextlib import ExitStack

import psutil
from serving import site
from serving.wrk import Target, load

from gateway import body_of, upstream, url

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STEP_S = 5


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        site.prepare(folder)
        known = {"Authorization": f"Bearer {site.a_token()}"}
        site.a_model("whole", "vllm", stack.enter_context(upstream()))
        port = site.free_port()
        command = (sys.executable, "-m", "llmplatform.servers", "api")
        env = {"API_PORT": str(port), "CONNECTIONS_PER_ADDRESS": "5000"}
        program = stack.enter_context(site.program(port, *command, env=env))
        process = psutil.Process(program.pid)
        over_requests(options.requests, folder, port, known, process)
        for _ in range(options.rounds):
            over_connections(options.connections, port, process)


def over_requests(
    count: int, folder: str, port: int, known: dict[str, str], process: psutil.Process
) -> None:
    whole = Target(url(port), body_of("whole"), known)
    stream = Target(url(port), body_of("whole", stream=True), known)
    load(folder, whole, 32, 2)
    print(f"{'requests':>12}{'MiB':>8}{'failed':>8}")
    done, failed = 0, 0
    while done < count:
        for target, seconds in ((whole, STEP_S), (stream, 1)):
            result = load(folder, target, 32, seconds)
            done += int(result.per_s * seconds)
            failed += result.failed
        print(f"{done:12}{mib(process):8.1f}{failed:8}")


def over_connections(count: int, port: int, process: psutil.Process) -> None:
    before = mib(process)
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(HEALTH)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        during = mib(process)
    print(f"{count} idle connections: {before:.1f} -> {during:.1f} MiB")


def mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args())
