"""Whoever is killed while notifications are sent: each arrives, and repetitions can be
recognised."""

import json
import os
import random
import signal
import time

import pytest
from standardwebhooks import Webhook

from tests.monitoring.alerts.delivery.receiver import Receiver

pytestmark = pytest.mark.fault
SETTINGS = {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1/32"}
RUNS = 200
CHANNELS = 2
EACH = 4  # messages of a channel, for a kill at each place
# Kills at a place, or after a random time in which messages are sent
PLACES = ("delivery.claimed", "delivery.sent", "delivery.recorded", "")
SEND = """
import time
from monitoring.alerts.delivery.dispatcher import Dispatcher
dispatcher = Dispatcher()
while True:
    dispatcher.step()
    time.sleep(0.002)
"""
CREATE_CHANNELS = """
import json
from monitoring.alerts.models import NotificationChannel
secret = "whsec_" + "A" * 32
made = [
    NotificationChannel.objects.create(
        name=f"hook {{n}}", kind="webhook", config={{"url": {url!r}}}, secret=secret
    )
    for n in range({channels})
]
print(json.dumps([secret, [channel.pk for channel in made]]))
"""
FINISH_AND_CREATE = """
import json
from common.models import new_uid
from monitoring.alerts.delivery.dispatcher import Dispatcher
from monitoring.alerts.models import Delivery
for channel in {channels}:
    Dispatcher().send(channel)
made = [
    Delivery(channel_id=channel, kind="test", uid=new_uid())
    for channel in {channels}
    for _ in range({each})
]
Delivery.objects.bulk_create(made)
print(json.dumps([each.uid for each in made]))
"""


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channels(site, receiver):
    code = CREATE_CHANNELS.format(url=receiver.url, channels=CHANNELS)
    return json.loads(site.python(code))


def send_and_kill(site, seed):
    """Starts a process that sends, which is killed at a place that the seed decides."""
    chance = random.Random(seed)
    place = PLACES[seed % len(PLACES)]
    mark = site.data_dir / f"killed-{seed}"
    settings = {"FAILPOINT": f"{place}:{mark}"} if place else {}
    log = site.data_dir / "sender.log"
    argv = ["shell", "--no-imports", "-c", SEND]
    sender = site.forks.start(argv, log, settings)
    if place:
        deadline = time.monotonic() + 30
        while sender.poll() is None:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.001)
    else:
        time.sleep(chance.uniform(0, 0.06))
        os.kill(sender.pid, signal.SIGKILL)
        sender.wait()


def states(site):
    return {row["state"] for row in site.rows("select state from monitoring_delivery")}


def test_kills_in_mid_delivery_lose_no_message(site, receiver, channels):
    secret, pks = channels
    code = FINISH_AND_CREATE.format(channels=pks, each=EACH)
    made = []
    for seed in range(RUNS):
        if seed % len(PLACES) == 0:
            made += json.loads(site.python(code))
        send_and_kill(site, seed)
        # The next process takes over without 20 s of silence.
        site.rows("update monitoring_delivery set heartbeat = 0")
    site.python(code.replace(f"range({EACH})", "range(0)"))

    rows = site.rows("select uid, state, attempts from monitoring_delivery")
    assert {row["uid"] for row in rows} == set(made)
    assert states(site) == {"done"}
    received = [request.headers["webhook-id"] for request in receiver.requests]
    assert set(received) == set(made)
    # Killed in mid-delivery, and between sending and recording it
    assert sum(row["attempts"] > 1 for row in rows) >= RUNS // 2
    assert len(received) - len(made) >= RUNS // 4
    for request in receiver.requests:
        Webhook(secret).verify(request.body, request.headers)


def test_monitor_sends(site, receiver, channels):
    _, pks = channels
    site.start("monitor")
    count = len(receiver.requests)
    site.python(FINISH_AND_CREATE.format(channels=pks, each=1))
    receiver.until(count + len(pks), seconds=60)
    site.until(lambda: states(site) == {"done"})
