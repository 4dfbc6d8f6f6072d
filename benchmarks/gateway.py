"""What the gateway costs, against a bare relay of the same requests.

    python benchmarks/gateway.py [--seconds N] [--portkey COMMAND] [--litellm PROGRAM]

Needs wrk. Starts an engine that answers at once, a relay of 20 lines (aiohttp on
uvicorn) and the gateway as the api role runs it, on an installation of its own, and
loads them in turns; Portkey's gateway and LiteLLM's proxy as well, where they are
installed. Authentication, limits, usage and metrics are on in ours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serving import site, streams
from serving.wrk import Result, Target, load

HERE = Path(__file__).parent / "serving"
PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]
CONNECTIONS = (1, 16, 32, 64)
SLOW_MS = 22
MANY_STREAMS, PIECES = 256, 100


def body_of(model: str, stream: bool = False) -> dict[str, object]:
    body: dict[str, object] = {"model": model, "messages": MESSAGES}
    return {**body, "stream": True} if stream else body


@contextmanager
def upstream(delay_ms: int = 0, pieces: int = 0) -> Iterator[int]:
    port = site.free_port()
    script = str(HERE / "upstream.py")
    arguments = (sys.executable, script, str(port), str(delay_ms), str(pieces))
    with site.program(port, *arguments):
        yield port


@contextmanager
def relay(upstream_port: int) -> Iterator[int]:
    port = site.free_port()
    command = [*uvicorn("relay:application", port), "--app-dir", str(HERE)]
    env = {"UPSTREAM": f"http://127.0.0.1:{upstream_port}"}
    with site.program(port, *command, env=env):
        yield port


@contextmanager
def gateway(processes: int = 1) -> Iterator[int]:
    port = site.free_port()
    command = (sys.executable, "-m", "llmplatform.servers", "api")
    env = {"API_PORT": str(port), "API_PROCESSES": str(processes)}
    with site.program(port, *command, env=env):
        yield port


def uvicorn(application: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    return [*command, "--log-level", "error", "--no-access-log"]


def compare(
    title: str,
    targets: dict[str, Target],
    connections: tuple[int, ...],
    options: argparse.Namespace,
) -> None:
    """Medians of the rounds; the ratio is to the relay of the same round."""
    print(f"\n{title:34}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'x relay':>9}")
    for count in connections:
        rounds = [
            {
                name: load(options.folder, target, count, options.seconds)
                for name, target in targets.items()
            }
            for _ in range(options.rounds)
        ]
        for name in targets:
            print_row(f"{count:3} connections  {name}", rounds, name)


def print_row(label: str, rounds: list[dict[str, Result]], name: str) -> None:
    def median(value: Callable[[dict[str, Result]], float]) -> float:
        return statistics.median(value(each) for each in rounds)

    rate, p50 = median(lambda r: r[name].per_s), median(lambda r: r[name].p50_ms)
    p99 = median(lambda r: r[name].p99_ms)
    ratio = median(lambda r: r[name].per_s / r["relay"].per_s)
    failed = sum(each[name].failed for each in rounds)
    print(
        f"{label:34}{rate:11.0f}{p50:9.3f}{p99:9.2f}{ratio:9.2f}"
        + (f"  {failed} FAILED" if failed else "")
    )


def main(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        start = stack.enter_context
        options.folder = start(tempfile.TemporaryDirectory())
        site.prepare(options.folder)
        token = site.a_token()
        engines = {
            "whole": start(upstream()),
            "slow": start(upstream(delay_ms=SLOW_MS)),
            "dripping": start(upstream(pieces=PIECES)),
        }
        for name, port in engines.items():
            site.a_model(name, "vllm", port)
        site.a_model("assembled", "llama.cpp", engines["whole"])
        relays = {name: start(relay(port)) for name, port in engines.items()}
        relays["assembled"] = relays["whole"]
        ours, two = start(gateway()), start(gateway(processes=2))
        others = start(peers(options, engines["whole"]))
        measure(options, relays, {"ours": ours, "two processes": two}, others, token)
        ports = {"relay": relays["dripping"], "ours": ours}
        body = body_of("dripping", True)
        streams.compare(ports, token, body, MANY_STREAMS, options.rounds)


def measure(
    options: argparse.Namespace,
    relays: dict[str, int],
    gateways: dict[str, int],
    others: dict[str, Target],
    token: str,
) -> None:
    known = {"Authorization": f"Bearer {token}"}

    def targets(model: str, *names: str, stream: bool = False) -> dict[str, Target]:
        body = body_of(model, stream)
        found = {"relay": Target(url(relays[model]), body, {})}
        return found | {n: Target(url(gateways[n]), body, known) for n in names}

    load(options.folder, targets("whole", "ours")["ours"], 32, 1)
    answers = targets("whole", "ours") | others
    compare("answers passed through", answers, CONNECTIONS, options)
    compare("answers assembled", targets("assembled", "ours"), (1, 32), options)
    short = targets("whole", "ours", stream=True)
    compare("short streams", short, (1, 32), options)
    compare(f"{SLOW_MS} ms engine", targets("slow", "ours"), (1, 16, 64), options)
    both = targets("whole", "ours", "two processes")
    compare("one process and two", both, (64,), options)


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


@contextmanager
def peers(
    options: argparse.Namespace, upstream_port: int
) -> Iterator[dict[str, Target]]:
    found: dict[str, Target] = {}
    engine = f"http://127.0.0.1:{upstream_port}/v1"

    def start(name: str, command: list[str], headers: dict[str, str]) -> None:
        port = site.free_port()
        command = [part.format(port=port) for part in command]
        stack.enter_context(site.program(port, *command, wait_s=120))
        found[name] = Target(url(port), body_of("x"), headers)

    with ExitStack() as stack:
        if options.portkey:
            headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": engine}
            start("portkey", [*options.portkey.split(), "--port={port}"], headers)
        if options.litellm:
            config = Path(options.folder, "litellm.yaml")
            config.write_text(LITELLM.format(engine=engine))
            command = [options.litellm, "--config", str(config), "--port", "{port}"]
            start("litellm", command, {})
        yield found


LITELLM = """model_list:
  - model_name: x
    litellm_params:
      model: openai/x
      api_base: {engine}
      api_key: key
general_settings:
  dangerously_permit_weak_or_unset_master_key: true
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--portkey", help="its command, such as node .../start-server.js"
    )
    parser.add_argument("--litellm", help="its program")
    main(parser.parse_args())
