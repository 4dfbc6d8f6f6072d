import asyncio
import signal

import pytest
from django.conf import settings

from common import broker
from common.subscription import Heartbeat, Subscription
from tests.gateway.client import until
from tests.gateway.routes.test_cache import QUICK_BACK_OFF, a_broker


@pytest.fixture
async def connected():
    """Starts a subscription with a listener per channel; returns what each received."""
    running = []

    async def start(*channels, url=settings.REDIS_URL, **callbacks):
        subscription = Subscription(url, QUICK_BACK_OFF)
        running.append(subscription)
        received = {channel: [] for channel in channels}
        connections = []

        async def on_connect(_client):
            connections.append(1)

        for channel in channels:
            callback = callbacks.get(channel, received[channel].append)
            subscription.subscribe(channel, callback, on_connect)
        subscription.start()
        await until(lambda: len(connections) == len(channels))
        return received

    yield start
    for subscription in running:
        await subscription.close()


async def test_listeners_receive_messages_of_their_channel_only(connected):
    received = await connected("one", "two")
    broker.client().publish("one", "a")
    broker.client().publish("two", "b")
    await until(lambda: received == {"one": ["a"], "two": ["b"]})


async def test_published_changes_are_received(connected):
    received = await connected(broker.CHANGES)
    broker.publish_change()
    await until(lambda: received[broker.CHANGES] == [""])


async def test_failing_listener_does_not_affect_the_others(connected, caplog):
    def fail(text):
        raise ValueError(text)

    received = await connected("bad", "good", bad=fail)
    broker.client().publish("bad", "x")
    broker.client().publish("good", "y")
    await until(lambda: received["good"] == ["y"])
    assert "listener of bad failed" in caplog.text


async def test_reconnects_when_the_broker_returns(connected, tmp_path, caplog):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    received = await connected("one", url=f"unix://{path}")
    server.kill()
    server.wait()
    await until(lambda: "broker unavailable" in caplog.text)
    path.unlink()
    server = a_broker(path)
    with broker.connect(f"unix://{path}", 5) as client:
        await until(lambda: client.publish("one", "a") and received["one"])
    server.kill()
    server.wait()


@pytest.mark.parametrize("is_connected", [True, False])
async def test_broker_that_hangs_is_noticed(is_connected, tmp_path, caplog):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    received = []
    heartbeat = Heartbeat(ping_s=0.02, late_s=0.3, lost_s=0.6)
    subscription = Subscription(f"unix://{path}", QUICK_BACK_OFF, heartbeat)
    subscription.subscribe("one", received.append)
    assert not subscription.is_current
    if is_connected:
        subscription.start()
        await until(lambda: subscription.is_current)
    server.send_signal(signal.SIGSTOP)
    subscription.start()
    await until(lambda: not subscription.is_current)
    await until(lambda: "broker unavailable" in caplog.text)
    server.send_signal(signal.SIGCONT)
    await until(lambda: subscription.is_current)
    with broker.connect(f"unix://{path}", 5) as client:
        await until(lambda: client.publish("one", "a") and received)
    await subscription.close()
    server.kill()
    server.wait()


async def test_silence_between_messages_is_no_failure(connected, caplog):
    received = await connected("one")
    await asyncio.sleep(1.5)
    broker.client().publish("one", "a")
    await until(lambda: received["one"] == ["a"])
    assert "broker unavailable" not in caplog.text


async def test_listener_cannot_register_after_the_start():
    subscription = Subscription(settings.REDIS_URL)
    subscription.subscribe("one", print)
    subscription.start()
    with pytest.raises(RuntimeError):
        subscription.subscribe("two", print)
    await subscription.close()


async def test_close_works_at_any_moment():
    for wait in (0, 0, 0.001, 0.002, 0.005, 0.02):
        subscription = Subscription(settings.REDIS_URL)
        subscription.subscribe("one", print)
        subscription.start()
        await asyncio.sleep(wait)
        await subscription.close()
    (left,) = asyncio.all_tasks()
    assert left is asyncio.current_task()
