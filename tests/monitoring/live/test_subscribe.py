import asyncio
import json

import pytest
from django.conf import settings

from common import broker as nudge
from monitoring.live import publish
from monitoring.live.publish import Publisher
from monitoring.live.subscribe import Hub, Pace
from tests.gateway.client import until
from tests.gateway.routes.test_cache import a_broker
from tests.monitoring.sockets import forget_kept

QUICK = Pace(gather_s=0.01, first_back_off_s=0.02, longest_back_off_s=0.05)


@pytest.fixture
async def started():
    """Starts a hub that is closed in the end."""
    running = []

    def start(url=settings.REDIS_URL, **fields):
        running.append(Hub(url, **{"pace": QUICK, **fields}))
        running[-1].start()
        return running[-1]

    yield start
    for hub in running:
        await hub.close()


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
    nudge.broker().publish(publish.CHANNEL, text)
    publish.publish("host", 2)
    await until(lambda: told(hub, "host") == [2])
    assert told(hub, *publish.TOPICS) == [2]


async def test_topics_that_come_together_wake_once(started):
    hub = started(pace=Pace(gather_s=0.2))
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


async def test_notice_of_a_change_is_passed_on(started):
    noticed = []
    hub = started(on_change=lambda: noticed.append(1))
    publish.publish("host", 1)
    await until(lambda: told(hub, "host"))
    noticed.clear()
    nudge.announce()
    await until(lambda: noticed == [1])


async def test_broker_that_comes_back_is_heard_again(started, tmp_path, caplog):
    path = tmp_path / "b.sock"
    broker = a_broker(path)
    hub = started(f"unix://{path}")
    Publisher(f"unix://{path}").publish("host", 1)
    await until(lambda: told(hub, "host") == [1])
    broker.kill()
    broker.wait()
    await until(lambda: "broker: " in caplog.text)
    path.unlink()
    broker = a_broker(path)
    Publisher(f"unix://{path}").publish("host", 2)
    await until(lambda: told(hub, "host") == [2])
    broker.kill()
    broker.wait()
    assert len([r for r in caplog.records if "interrupted" in r.message]) == 1


async def test_close_ends_everything_at_any_moment():
    for wait in (0, 0, 0.001, 0.002, 0.005, 0.02):
        hub = Hub(settings.REDIS_URL)
        hub.start()
        await asyncio.sleep(wait)
        await hub.close()
    (left,) = asyncio.all_tasks()
    assert left is asyncio.current_task()
