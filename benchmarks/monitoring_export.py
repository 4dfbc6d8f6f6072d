"""A million rows of history through a real server: rows a second in each format, and
the server's peak memory, which a client that reads slowly must not raise.

Fails when the server ever needs more than 150 MiB. Excel files are made directly up to
200,000 rows only.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.monitoring_websockets import (  # noqa: E402 -- needs the path
    MAKE_TOKEN,
    a_free_port,
    reachable,
)
from monitoring.metrics import METRICS as CATALOGUE  # noqa: E402
from tests.faults.installation import Installation  # noqa: E402

GPUS, PEAK_MIB = 8, 150
METRICS = [name for name, metric in CATALOGUE.items() if metric.source == "gpu"]
METRICS.remove("gpu_health_events")
HOURS, XLSX_HOURS = 41, 7
SEED = f"""
from django.core.management import call_command
call_command("seed_metrics", "--days=2", "--gpus={GPUS}", "--models=1", "--fine")
"""
SERVER = ("uvicorn", "--no-access-log", "--log-level", "error", "--port")


@contextmanager
def serving() -> Iterator[tuple[psutil.Process, int, str]]:
    """(process, port, token)"""
    with Installation() as site:
        token = site.python(MAKE_TOKEN).split()[-1]
        site.python(SEED)
        port = a_free_port()
        program = [sys.executable, "-m", *SERVER, str(port)]
        site.start_process("api", [*program, "llmplatform.asgi:application"])
        site.until(lambda: reachable(port))
        yield psutil.Process(site.roles["api"].pid), port, token


def peak_mib(process: psutil.Process) -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    line = next(row for row in text.splitlines() if row.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def fetch(port: int, token: str, format: str, hours: int, pause_s: float) -> int:
    """Bytes; a pause after each MiB."""
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    query = {
        "format": format,
        "start_time": (until - timedelta(hours=hours)).isoformat(),
        "end_time": until.isoformat(),
        "metric": ",".join(METRICS),
    }
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"Authorization": f"Bearer {token}"}
    client.request("GET", f"/api/monitoring/export?{urlencode(query)}", headers=headers)
    answer = client.getresponse()
    assert answer.status == 200, answer.read()
    size = 0
    while chunk := answer.read(2**20):
        size += len(chunk)
        time.sleep(pause_s)
    return size


def measure(what: str, process: psutil.Process, fetched: Callable[[], int]) -> None:
    hours = XLSX_HOURS if what == "xlsx" else HOURS
    rows = GPUS * len(METRICS) * hours * 360
    begun = time.perf_counter()
    size = fetched()
    seconds = time.perf_counter() - begun
    print(
        f"  {what:<16} {rows:>9,} rows {size / 2**20:>5.0f} MiB {seconds:>6.1f} s"
        f" {rows / seconds:>8,.0f} rows/s  peak {peak_mib(process):.0f} MiB",
        flush=True,
    )


def main() -> None:
    with serving() as (process, port, token):
        fetch(port, token, "csv", 1, 0)
        print(f"  after the first: peak {peak_mib(process):.0f} MiB", flush=True)
        cases = {
            "csv": ("csv", HOURS, 0),
            "csv, slow client": ("csv", HOURS, 0.2),
            "json": ("json", HOURS, 0),
            "xlsx": ("xlsx", XLSX_HOURS, 0),
        }
        for what, case in cases.items():
            measure(what, process, partial(fetch, port, token, *case))
        peak = peak_mib(process)
        assert peak <= PEAK_MIB, f"{peak:.0f} MiB is above {PEAK_MIB} MiB"


if __name__ == "__main__":
    main()
