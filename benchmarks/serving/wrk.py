"""Load from wrk (apt install wrk)."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

JSON = ("Content-Type", "application/json")
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
PERCENTILE = r"{}%\s+([\d.]+)(us|ms|s)\b"


@dataclass(frozen=True)
class Result:
    """per_s: requests. p50_ms, p99_ms: latency. failed: responses that are not 2xx, and
    errors of sockets."""

    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


@dataclass(frozen=True)
class Target:
    url: str
    body: dict[str, object]
    headers: dict[str, str]


def load(folder: str, target: Target, connections: int, seconds: int) -> Result:
    script = Path(folder, "request.lua")
    script.write_text(
        'wrk.method = "POST"\n'
        f"wrk.body = {json.dumps(json.dumps(target.body))}\n"
        + "".join(
            f'wrk.headers["{name}"] = "{value}"\n'
            for name, value in (*target.headers.items(), JSON)
        )
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["--timeout", "30s", "-s", str(script), target.url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Result(
        float(found(r"Requests/sec:\s+([\d.]+)", text)[0]),
        milliseconds(text, 50),
        milliseconds(text, 99),
        sum(
            map(int, re.findall(r"(?:Non-2xx.*: |connect |read |timeout )(\d+)", text))
        ),
    )


def milliseconds(text: str, percentile: int) -> float:
    value, unit = found(PERCENTILE.format(percentile), text)
    return float(value) * UNITS[unit]


def found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    assert match, text
    return match.groups()
