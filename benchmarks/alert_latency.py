"""From a condition that becomes true to the mail at the SMTP server, with a real
monitor. The rule has no `for`: what is measured comes on top of it.

    python benchmarks/alert_latency.py [ROUNDS]
"""

import random
import statistics
import sys
import threading
import time
from pathlib import Path

from aiosmtpd.controller import Controller

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tests.environment  # noqa: F401 -- a network and a broker of its own
from tests.engines.client import a_free_port
from tests.faults.installation import Installation

GOAL_S = 2.0
RULE = """
from monitoring.alerts.models import AlertRule, NotificationChannel
AlertRule.objects.update(enabled=False)
mail = NotificationChannel.objects.create(
    name="Mail", kind="mail", config={"recipients": ["ops@example.org"]}, language="en"
)
rule = AlertRule.objects.create(
    name="Error", metric="model_error", aggregate="max", window_s=10, threshold=0
)
rule.channels.add(mail)
"""


class Inbox:
    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.at = 0.0

    async def handle_DATA(self, _server, _session, _envelope):
        self.at = time.monotonic()
        self.arrived.set()
        return "250 OK"


def main(rounds: int) -> None:
    inbox = Inbox()
    smtp = Controller(inbox, hostname="127.0.0.1", port=a_free_port())
    smtp.start()
    settings = {
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(smtp.port),
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        "ALERT_GROUP_SECONDS": "0",
    }
    with Installation(**settings) as site:
        site.add("smol")
        site.python(RULE)
        site.start("monitor")
        times = [one(site, inbox) for _ in range(rounds)]
    smtp.stop()
    median, worst = statistics.median(times), max(times)
    print(
        f"condition to SMTP, {rounds} times: median {median:.2f} s  max {worst:.2f} s"
        f"  goal {GOAL_S:.0f} s  ratio {median / GOAL_S:.2f}"
    )


def one(site: Installation, inbox: Inbox) -> float:
    """Each time at another moment of the monitor's second."""
    set_status(site, "running")
    site.until(lambda: not open_alerts(site))
    time.sleep(random.uniform(1, 2))
    inbox.arrived.clear()
    begun = time.monotonic()
    set_status(site, "error")
    assert inbox.arrived.wait(60), "no mail"
    return inbox.at - begun


def set_status(site: Installation, status: str) -> None:
    site.rows(
        "update models_app_servedmodel set status = ?, desired_state = 'running'"
        " where name = 'smol' returning id",
        status,
    )


def open_alerts(site: Installation) -> list[object]:
    return site.rows("select id from monitoring_alert where state <> 'resolved'")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
