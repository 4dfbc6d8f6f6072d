"""What a running installation costs, and how fast it is.

    DATA_DIR=... python benchmarks/deployment.py [--deploys N] [--starts N]

Prints: seconds of a repeated deployment until healthy; memory (PSS) and CPU of all
roles while idle; seconds from an accepted start to the engine's process. It restarts
the roles, and the demo model once per start.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
DATA_DIR = ROOT / os.environ.get("DATA_DIR", "var")
MODEL = "smollm2-135m-instruct"
IDLE_S = 30
SETTLE_S = 20


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deploys", type=int, default=3)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    if options.deploys:
        deploys = [seconds_to_deploy() for _ in range(options.deploys)]
        show("repeated deploy to healthy, s", deploys)
    time.sleep(SETTLE_S)
    measure_idle()
    if options.starts:
        starts = [seconds_to_spawn() for _ in range(options.starts)]
        show("start accepted to engine spawned, s", starts)


def show(what: str, seconds: list[float]) -> None:
    values = ", ".join(f"{value:.2f}" for value in seconds)
    print(f"{what}: median {statistics.median(seconds):.2f} ({values})")


def seconds_to_deploy() -> float:
    began = time.monotonic()
    command = [ROOT / "scripts/deploy-source.sh", "development"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def roles() -> list[psutil.Process]:
    """supervisord and all below it; engines are nobody's children."""
    supervisord = psutil.Process(int((DATA_DIR / "supervisord.pid").read_text()))
    return [supervisord, *supervisord.children(recursive=True)]


def measure_idle() -> None:
    before = {p.pid: cpu_seconds(p) for p in roles()}
    time.sleep(IDLE_S)
    pss = cpu = 0.0
    for process in roles():
        spent = cpu_seconds(process) - before.get(process.pid, 0)
        mib = process.memory_full_info().pss / 2**20
        name = " ".join(Path(word).name for word in process.cmdline()[:4])
        print(f"  {mib:6.1f} MiB {100 * spent / IDLE_S:5.2f} %  {name}")
        pss, cpu = pss + mib, cpu + spent
    print(
        f"all roles, idle: PSS {pss:.0f} MiB, CPU {100 * cpu / IDLE_S:.1f} % of a core"
    )


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def seconds_to_spawn() -> float:
    call("stop", until="stopped")
    known = set((DATA_DIR / "runs").iterdir())
    accepted = call("start")
    while not (made := spawned(known)):
        time.sleep(0.005)
    call("status", until="running")
    return made - accepted


def spawned(known: set[Path]) -> float:
    """When the engine of a new run was started, in seconds since boot; else 0."""
    for run in set((DATA_DIR / "runs").iterdir()) - known:
        claim = run / "claim.json"
        if claim.exists() and (handle := json.loads(claim.read_text()))["engine_pid"]:
            return handle["engine_started"] / os.sysconf("SC_CLK_TCK")
    return 0


def call(action: str, until: str = "") -> float:
    """When it was answered, in seconds since boot."""
    method = "GET" if action == "status" else "POST"
    request(method, action)
    answered = time.clock_gettime(time.CLOCK_BOOTTIME)
    while until and request("GET", "status")["status"] != until:
        time.sleep(0.05)
    return answered


def request(method: str, action: str) -> dict[str, str]:
    settings = dict(
        line.split("=", 1)
        for line in (DATA_DIR / "platform.env").read_text().splitlines()
    )
    port = os.environ.get("API_PORT") or settings.get("API_PORT", "8000")
    token = (DATA_DIR / "api_token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/models/{MODEL}/{action}",
        method=method,
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
        answer: dict[str, str] = json.load(reply)
    return answer


if __name__ == "__main__":
    main()
