"""The platform's own part of a start, under each driver: from an accepted start to the
engine's process, and from an engine that answers to the status `running`.

    python benchmarks/starts.py [--rounds N] [--drivers process docker]

Makes an installation of its own in a temporary folder, with real engines; for
containers also a Docker daemon, which needs root.
"""

import argparse
import contextlib
import http.client
import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.installation import Installation
from tests.runtimes.drivers.daemons import IMAGE, Dockerd, running, why_not

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
GOALS = {"accepted to engine process": 0.7, "engine ready to running": 1.2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--drivers", nargs="+", default=["process", "docker"])
    options = parser.parse_args()
    for driver in options.drivers:
        if driver == "docker" and (obstacle := why_not()):
            print(f"docker: not measured: {obstacle}")
            continue
        with daemon_for(driver) as dockerd:
            figures = measured(driver, dockerd, options.rounds)
        print(f"{driver}, load of the last minute: {os.getloadavg()[0]:.1f}")
        for (what, goal), seconds in zip(GOALS.items(), figures, strict=True):
            median, most = statistics.median(seconds), max(seconds)
            print(f"  {what}, s: median {median:.2f}, max {most:.2f} (goal {goal})")


@contextlib.contextmanager
def daemon_for(driver: str) -> Iterator[Dockerd | None]:
    if driver != "docker":
        yield None
        return
    with running() as daemon:
        yield daemon


def measured(
    driver: str, dockerd: Dockerd | None, rounds: int
) -> tuple[list[float], list[float]]:
    settings = {}
    if dockerd:
        settings = {"DOCKER_HOST": dockerd.url, "DOCKER_IMAGE_LLAMACPP": IMAGE}
    with Installation(**settings) as site:
        site.add("one")
        site.python(
            "from models_app.models import ServedModel\n"
            f"ServedModel.objects.update(driver={driver!r})"
        )
        site.start("worker", "monitor")
        a_start(site, dockerd, 0)  # the roles start themselves
        seconds = [a_start(site, dockerd, nth) for nth in range(rounds)]
    spawning, noticing = zip(*seconds, strict=True)
    return list(spawning), list(noticing)


def a_start(
    site: Installation, dockerd: Dockerd | None, nth: int
) -> tuple[float, float]:
    time.sleep(
        1 + nth * 0.1 % 1
    )  # not always at the same point of the monitor's second
    site.request("start", "one")
    accepted = time.time()
    run = site.until(lambda: starting(site), every=0.01)
    until_answered(run["port"])
    ready = time.time()
    site.until_status("one", "running")
    running = time.time()
    spawned = spawned_at(site, dockerd, run["uid"])
    site.request("stop", "one")
    site.until_status("one", "stopped")
    return spawned - accepted, running - ready


def starting(site: Installation) -> Any:
    last = next(reversed(site.runs("one")), None)
    return last if last and last["handle"] and last["state"] != "ended" else None


def until_answered(port: int) -> None:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        connection.close()
        time.sleep(0.005)


def spawned_at(site: Installation, dockerd: Dockerd | None, uid: str) -> float:
    if dockerd is None:
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return booted + site.claim(uid)["engine_started"] / TICKS_A_SECOND
    with contextlib.closing(dockerd.client()) as client:
        state = client.inspect_container(f"llmplatform-{uid}")["State"]
    return datetime.fromisoformat(state["StartedAt"][:26] + "+00:00").timestamp()


if __name__ == "__main__":
    main()
