"""How fast freed capacity is used: one model holds all cores and is stopped, another
waits. Prints seconds to the next one's engine, from the end of the first one's run and
from the end of its process, which has to be noticed first.

    python benchmarks/scheduling.py [--rounds N]

Makes an installation of its own in a temporary folder, with real engines.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.faults.installation import Installation

CORES = len(os.sched_getaffinity(0))
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with Installation() as site:
        for name in ("one", "two"):
            site.add(name, n_threads=CORES)
        site.start("worker", "monitor")
        site.request("start", "one")
        site.until_status("one", "running")
        taken = [seconds_to_use(site, nth) for nth in range(rounds)]
    steps = (
        "run ended to next placed",
        "run ended to next spawned",
        "process ended to next spawned",
    )
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}")
    for what, seconds in zip(steps, zip(*taken, strict=True), strict=True):
        values = ", ".join(f"{value:.2f}" for value in seconds)
        median, most = statistics.median(seconds), max(seconds)
        print(f"{what}, s: median {median:.2f}, max {most:.2f} ({values})")


def seconds_to_use(site: Installation, nth: int) -> tuple[float, ...]:
    leaving, waiting = ("one", "two") if nth % 2 == 0 else ("two", "one")
    site.request("start", waiting)
    site.until_status(waiting, "waiting")
    time.sleep(nth * 0.1 % 1)  # not always at the same point of the monitor's second
    site.request("stop", leaving)
    after = site.until_status(waiting, "running")[-1]
    before = site.runs(leaving)[-1]
    assert before["end_code"] == "stopped"
    spawned = site.claim(after["uid"])["engine_started"] / TICKS_A_SECOND
    ended = before["ended_uptime"]
    gone = json.loads(
        (site.data_dir / "runs" / before["uid"] / "exit.json").read_text()
    )
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return (
        after["placed_uptime"] - ended,
        spawned - ended,
        spawned + booted - gone["at"],
    )


if __name__ == "__main__":
    main()
