import asyncio
import json

import pytest
from django.conf import settings

from common import broker
from common.subscription import Subscription
from monitoring.live import publish
from monitoring.live.publish import Publisher
from monitoring.live.subscribe import Hub
from tests.gateway.client import until
from tests.gateway.routes.test_cache import QUICK_BACK_OFF, a_broker
from tests.monitoring.sockets import clear_last_messages


@pytest.fixture
async def started():
    """Starts a hub that is closed after the test."""
    running = []

    def start(url=settings.REDIS_URL, gather_s=0.01):
        running.append(Subscription(url, QUICK_BACK_OFF))
        hub = Hub(running[-1], gather_s)
        running[-1].start()
        return hub

    yield start
    for subscription in running:
        await subscription.close()


@pytest.fixture(autouse=True)
def no_last_messages():
    clear_last_messages()


def newest_data(hub, *topics, after=0):
    return [json.loads(message.text)["data"] for message in hub.newest(topics, after)]


async def test_stored_message_is_read_at_start(started):
    publish.publish("host", 1)
    hub = started()
    await until(lambda: newest_data(hub, "host") == [1])


async def test_newest_message_of_each_topic(started):
    hub = started()
    publish.publish("host", 0)
    await until(lambda: newest_data(hub, "host"))
    for number in range(1, 50):
        publish.publish("host", number)
    publish.publish("gpus", [])
    await until(lambda: newest_data(hub, "gpus"))
    assert newest_data(hub, "gpus", "host", "models") == [[], 49]


async def test_only_newer_messages_are_returned(started):
    hub = started()
    publish.publish("host", 1)
    publish.publish("gpus", 2)
    await until(lambda: newest_data(hub, "gpus"))
    [host] = hub.newest(["host"], 0)
    assert newest_data(hub, "host", "gpus", after=host.number) == [2]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "nonsense", '{"topic": "other"}', '{"topic": []}']
)
async def test_foreign_messages_are_ignored(started, text):
    hub = started()
    publish.publish("host", 1)
    await until(lambda: newest_data(hub, "host") == [1])
    broker.client().publish(publish.CHANNEL, text)
    publish.publish("host", 2)
    await until(lambda: newest_data(hub, "host") == [2])
    assert newest_data(hub, *publish.TOPICS) == [2]


async def test_messages_that_arrive_together_wake_once(started):
    hub = started(gather_s=0.2)
    publish.publish("host", 0)
    await until(lambda: newest_data(hub, "host"))
    await asyncio.sleep(0.3)
    with hub.listen() as changed:
        changed.clear()
        for topic in publish.TOPICS:
            publish.publish(topic, 1)
        async with asyncio.timeout(5):
            await changed.wait()
        assert newest_data(hub, *publish.TOPICS) == [1] * len(publish.TOPICS)
        changed.clear()
        await asyncio.sleep(0.3)
        assert not changed.is_set()


async def test_subscription_resumes_when_the_broker_returns(started, tmp_path, caplog):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    hub = started(f"unix://{path}")
    Publisher(f"unix://{path}").publish("host", 1)
    await until(lambda: newest_data(hub, "host") == [1])
    server.kill()
    server.wait()
    await until(lambda: "broker unavailable" in caplog.text)
    path.unlink()
    server = a_broker(path)
    Publisher(f"unix://{path}").publish("host", 2)
    await until(lambda: newest_data(hub, "host") == [2])
    server.kill()
    server.wait()
    assert len([r for r in caplog.records if "interrupted" in r.message]) == 1
