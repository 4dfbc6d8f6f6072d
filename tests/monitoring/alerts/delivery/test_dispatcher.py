"""Who sends what and when."""

import random
import threading
import time

import pytest
from django.utils.module_loading import import_string
from django_q.models import Schedule

from common import clock, job_runner, jobs
from common.models import SILENT_S
from models_app.models import Activity
from monitoring import tasks
from monitoring.alerts.delivery.dispatcher import Dispatcher, due
from monitoring.alerts.delivery.kind import DELAYS_S, KIND
from monitoring.alerts.models import Alert, Delivery
from tests.monitoring.alerts.delivery.builders import (
    a_channel,
    a_delivery,
    a_webhook,
    an_alert,
)
from tests.monitoring.alerts.delivery.receiver import Receiver


def send(channel):
    Dispatcher().send(channel.pk)


def fresh(delivery):
    delivery.refresh_from_db()
    return delivery


UP, BOOT = clock.uptime, clock.boot_id()
DUE = [
    ({}, True),
    ({"retry_uptime": -1.0, "boot_id": BOOT}, True),
    ({"retry_uptime": 60.0, "boot_id": BOOT}, False),
    ({"retry_uptime": 60.0, "boot_id": "earlier"}, True),
    ({"state": "running", "heartbeat": 0.0, "boot_id": BOOT}, False),
    ({"state": "running", "heartbeat": -SILENT_S - 1, "boot_id": BOOT}, True),
    ({"state": "running", "heartbeat": 0.0, "boot_id": "earlier"}, True),
    ({"state": "running", "boot_id": BOOT}, True),
    ({"state": "done"}, False),
    ({"state": "failed"}, False),
    ({"state": "cancelled"}, False),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("fields", "is_due"), DUE)
def test_due(fields, is_due):
    """Times are relative to now. The same as jobs of other kinds, in a query."""
    times = {"retry_uptime", "heartbeat"} & fields.keys()
    fields = {**fields, **{name: UP() + fields[name] for name in times}}
    delivery = a_delivery(a_channel(), **fields)
    assert due().exists() is is_due
    by_rule = delivery.is_due or (delivery.state == "running" and delivery.is_silent)
    assert by_rule is is_due


@pytest.mark.django_db
def test_queue_is_sent_in_order(receiver):
    channel = a_webhook(receiver.url)
    made = [a_delivery(channel, an_alert(source_key=f"{n}")) for n in range(5)]
    send(channel)
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids == [delivery.uid for delivery in made]
    assert {fresh(delivery).state for delivery in made} == {"done"}


@pytest.mark.django_db
def test_message_that_waits_for_its_next_attempt_holds_up_no_other(receiver):
    channel = a_webhook(receiver.url)
    receiver.status = 500
    first = a_delivery(channel, an_alert())
    send(channel)
    receiver.status = 200
    second = a_delivery(channel, an_alert(source_key="other"))
    send(channel)
    assert (fresh(first).state, fresh(second).state) == ("queued", "done")


@pytest.mark.django_db
def test_attempts_and_their_delays(receiver):
    receiver.status = 500
    channel = a_webhook(receiver.url)
    delivery, delays = a_delivery(channel, an_alert()), []
    while fresh(delivery).state == "queued":
        send(channel)
        if fresh(delivery).state == "queued":
            delays.append(delivery.retry_uptime - clock.uptime())
            Delivery.objects.update(retry_uptime=clock.uptime())
    assert len(receiver.requests) == 7
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    for delay, least in zip(delays, DELAYS_S, strict=True):
        assert least - 5 < delay <= 1.2 * least
    assert (delivery.state, delivery.code) == ("failed", "webhook_status")
    event = Activity.objects.get(code="delivery_failed")
    assert (event.params, event.reason_code) == (
        {"channel": channel.name},
        "webhook_status",
    )


def test_delays_differ():
    random.seed(1)
    failure = jobs.JobFailed("webhook_status")
    assert len({KIND.delay(2, failure) for _ in range(10)}) == 10
    assert KIND.delay(1, jobs.JobFailed("webhook_status", wait_s=900)) == 900


@pytest.mark.django_db
def test_test_message_is_tried_once(receiver):
    receiver.status = 500
    channel = a_webhook(receiver.url, enabled=False)
    delivery = a_delivery(channel, kind="test")
    send(channel)
    assert (fresh(delivery).state, delivery.code) == ("failed", "webhook_status")
    assert not Activity.objects.filter(code="delivery_failed").exists()


@pytest.mark.django_db
def test_bell_needs_nothing_sent():
    alert, channel = an_alert(), a_channel("web")
    delivery = a_delivery(channel, alert)
    send(channel)
    assert fresh(delivery).state == "done"
    assert Alert.objects.get().web


@pytest.mark.django_db
def test_cancelled_message_is_not_sent(receiver):
    channel = a_webhook(receiver.url)
    delivery = a_delivery(channel, an_alert())
    jobs.cancel(delivery)
    send(channel)
    assert receiver.requests == []
    jobs.retry(delivery)
    send(channel)
    assert fresh(delivery).state == "done"


@pytest.mark.django_db
def test_two_dispatchers_send_once(receiver):
    channel = a_webhook(receiver.url)
    delivery = a_delivery(channel, an_alert())
    other = Delivery.objects.get()
    assert job_runner.take(KIND, other)
    assert not job_runner.take(KIND, delivery)


@pytest.mark.django_db
def test_no_process_is_started_for_deliveries():
    a_delivery(a_channel(), an_alert())
    assert not jobs.is_due()
    assert KIND not in jobs.kinds()


@pytest.mark.django_db
def test_unexpected_error_is_tried_again_and_logged_without_its_text(caplog):
    channel = a_webhook("http://127.0.0.1/s3cret", secret="whsec_not base64 s3cret!")
    channel.config = {"url": 5}
    channel.save()
    delivery = a_delivery(channel, an_alert())
    send(channel)
    assert (fresh(delivery).state, delivery.code) == ("queued", "delivery_crashed")
    assert delivery.uid in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_slow_receiver_delays_no_other_channel(receiver):
    receiver.hold = threading.Event()
    runner = Dispatcher()
    try:
        slow = a_delivery(a_webhook(receiver.url), an_alert())
        runner.step()
        receiver.until(1)
        with Receiver() as fast:
            quick = a_delivery(a_webhook(fast.url), an_alert(source_key="other"))
            began = time.monotonic()
            runner.step()
            fast.until(1)
            assert time.monotonic() - began < 10
            runner.threads[quick.channel_id].join(20)
        assert fresh(quick).state == "done"
        assert fresh(slow).state == "running"
    finally:
        receiver.hold.set()
        runner.close(20)
    assert fresh(slow).state == "done"
    assert not any(thread.is_alive() for thread in runner.threads.values())


@pytest.mark.django_db(transaction=True)
def test_number_of_channels_at_once_is_limited(receiver):
    receiver.hold = threading.Event()
    runner = Dispatcher(channels=1)
    made = [a_delivery(a_webhook(receiver.url), an_alert(source_key=k)) for k in "ab"]
    try:
        runner.step()
        receiver.until(1)
        runner.step()
        assert list(runner.threads) == [made[0].channel_id]
    finally:
        receiver.hold.set()
        runner.threads[made[0].channel_id].join(20)
    runner.step()
    receiver.until(2)
    runner.close(20)
    assert [fresh(delivery).state for delivery in made] == ["done", "done"]


@pytest.mark.django_db(transaction=True)
def test_worker_sends_each_minute_while_the_monitor_is_down(receiver):
    schedule = Schedule.objects.get(func="monitoring.tasks.watch")
    delivery = a_delivery(a_webhook(receiver.url), an_alert())
    import_string(schedule.func)()
    receiver.until(1)
    # Tables of the tests' SQLite cannot be read while another thread writes them.
    for thread in tasks._dispatcher().threads.values():
        thread.join(20)
    assert fresh(delivery).state == "done"
