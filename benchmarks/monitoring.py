"""What monitoring costs: one function per section, each on databases of its own.

    python benchmarks/monitoring.py [SECTION ...] [--models N]

monitor: what the role burns with 8 GPUs and 10 engines, beside glances and nvitop; at
most 3 % of a core.
queries: 30 days x 8 GPUs x 6 metrics, as a chart asks for them, on SQLite and, where it
is installed, PostgreSQL; p95 of 40 at most 150 ms. And what else people ask.
websockets: 500 pages on one web process; p99 of how late texts come at most 300 ms.
export: a million rows through a real server, by format; peak memory at most 150 MiB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults import postgresql  # noqa: E402 -- needs the path


@contextmanager
def databases() -> Iterator[dict[str, dict[str, str]]]:
    """Environment of an installation, by name of its database."""
    with tempfile.TemporaryDirectory(prefix="llmplatform-bench-") as home:
        alone = {"DATA_DIR": home, "LOG_LEVEL": "ERROR"}
        if postgresql.binaries() is None:
            yield {"SQLite": alone}
            return
        with postgresql.server() as url:
            yield {"SQLite": alone, "PostgreSQL": {**alone, "DATABASE_URL": url}}


def run(program: str, environment: dict[str, str], *arguments: str) -> None:
    """Settings are read once in a process: each database gets one."""
    path = Path(__file__).with_name(program)
    env = {**os.environ, **environment}
    if subprocess.run([sys.executable, path, *arguments], env=env).returncode:
        raise SystemExit(f"{program} failed")


def queries(models: int) -> None:
    with databases() as found:
        for name, environment in found.items():
            print(f"queries: {name}", flush=True)
            run("monitoring_queries.py", environment, str(models))


def websockets(_models: int) -> None:
    run("monitoring_websockets.py", {})


def monitor(_models: int) -> None:
    print("monitor: processor time at one sample a second", flush=True)
    run("monitoring_cost.py", {})


def export(_models: int) -> None:
    print("export: through uvicorn, on SQLite", flush=True)
    run("monitoring_export.py", {})


SECTIONS = {
    "monitor": monitor,
    "queries": queries,
    "websockets": websockets,
    "export": export,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", help=", ".join(SECTIONS))
    parser.add_argument("--models", type=int, default=20)
    given = parser.parse_args()
    for name in given.sections or SECTIONS:
        SECTIONS[name](given.models)


if __name__ == "__main__":
    main()
