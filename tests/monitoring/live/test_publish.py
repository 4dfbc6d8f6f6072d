import json
import time

import pytest
import redis
from django.conf import settings

from monitoring.live import publish
from monitoring.live.publish import Publisher


@pytest.fixture
def broker():
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        yield broker


@pytest.fixture
def receive(broker):
    """Returns the next messages of the channel."""
    with broker.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(publish.CHANNEL)
        subscription.get_message(timeout=30)

        def texts(count):
            found = []
            while len(found) < count:
                if received := subscription.get_message(timeout=5):
                    found.append(json.loads(received["data"]))
            return found

        yield texts


def test_message_is_published_and_stored_for_a_while(broker, receive):
    before = time.time()
    publish.publish("host", {"cpu_utilization": 12.5, "load_1m": None})
    [message] = receive(1)
    assert message["topic"] == "host"
    assert message["data"] == {"cpu_utilization": 12.5, "load_1m": None}
    assert abs(message["at"] - before) < 60
    assert json.loads(broker.get("llmplatform:live:host")) == message
    assert 0 < broker.ttl("llmplatform:live:host") <= publish.LAST_MESSAGE_TTL_S


def test_messages_are_numbered(receive):
    for topic in ("host", "gpus", "host"):
        publish.publish(topic, [])
    first, second, third = (message["seq"] for message in receive(3))
    assert (second - first, third - first) == (1, 2)


def test_nan_is_rejected():
    with pytest.raises(ValueError, match="not JSON compliant"):
        publish.publish("host", {"cpu_utilization": float("nan")})


def test_missing_broker_is_logged_once_and_costs_no_time(caplog):
    publisher = Publisher("unix:///nowhere/broker.sock")
    began = time.monotonic()
    for _ in range(100):
        publisher.publish("host", {})
    publisher._retry_at = 0
    publisher.publish("host", {})
    assert time.monotonic() - began < 20
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "live view interrupted" in caplog.text
