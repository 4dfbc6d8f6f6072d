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
from tests.monitoring.sockets import forget_kept


@pytest.fixture
async def started():
    """Starts a hub that is closed in the end."""
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
def nothing_is_kept():
    forget_kept()


def told(hub, *topics, than=0):
    return [json.loads(text.text)["data"] for text in hub.newest(topics, than)]


async def test_text_that_was_kept_is_there_at_first(started):
    publish.publish("host", 1)
    hub = started()
    await until(lambda: told(hub, "host") == [1])


async def test_newest_text_of_each_topic_is_there(started):
    hub = started()
    publish.publish("host", 0)
    await until(lambda: told(hub, "host"))
    for number in range(1, 50):
        publish.publish("host", number)
    publish.publish("gpus", [])
    await until(lambda: told(hub, "gpus"))
    assert told(hub, "gpus", "host", "models") == [[], 49]


async def test_only_what_is_newer_is_told(started):
    hub = started()
    publish.publish("host", 1)
    publish.publish("gpus", 2)
    await until(lambda: told(hub, "gpus"))
    [host] = hub.newest(["host"], 0)
    assert told(hub, "host", "gpus", than=host.number) == [2]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "nonsense", '{"topic": "other"}', '{"topic": []}']
)
async def test_what_somebody_else_sends_is_left_out(started, text):
    hub = started()
    publish.publish("host", 1)
    await until(lambda: told(hub, "host") == [1])
    broker.client().publish(publish.CHANNEL, text)
    publish.publish("host", 2)
    await until(lambda: told(hub, "host") == [2])
    assert told(hub, *publish.TOPICS) == [2]


async def test_topics_that_come_together_wake_once(started):
    hub = started(gather_s=0.2)
    publish.publish("host", 0)
    await until(lambda: told(hub, "host"))
    await asyncio.sleep(0.3)
    with hub.listening() as news:
        news.clear()
        for topic in publish.TOPICS:
            publish.publish(topic, 1)
        async with asyncio.timeout(5):
            await news.wait()
        assert told(hub, *publish.TOPICS) == [1] * len(publish.TOPICS)
        news.clear()
        await asyncio.sleep(0.3)
        assert not news.is_set()


async def test_broker_that_comes_back_is_heard_again(started, tmp_path, caplog):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    hub = started(f"unix://{path}")
    Publisher(f"unix://{path}").publish("host", 1)
    await until(lambda: told(hub, "host") == [1])
    server.kill()
    server.wait()
    await until(lambda: "broker unavailable" in caplog.text)
    path.unlink()
    server = a_broker(path)
    Publisher(f"unix://{path}").publish("host", 2)
    await until(lambda: told(hub, "host") == [2])
    server.kill()
    server.wait()
    assert len([r for r in caplog.records if "interrupted" in r.message]) == 1
