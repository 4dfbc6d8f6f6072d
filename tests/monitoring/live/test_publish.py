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
def heard(broker):
    """The texts on the channel, from now on."""
    with broker.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(publish.CHANNEL)
        subscription.get_message(timeout=30)

        def texts(count):
            found = []
            while len(found) < count:
                if message := subscription.get_message(timeout=5):
                    found.append(json.loads(message["data"]))
            return found

        yield texts


def test_message_is_told_and_kept_for_a_while(broker, heard):
    before = time.time()
    publish.publish("host", {"cpu_utilization": 12.5, "load_1m": None})
    [told] = heard(1)
    assert told["topic"] == "host"
    assert told["data"] == {"cpu_utilization": 12.5, "load_1m": None}
    assert abs(told["at"] - before) < 60
    assert json.loads(broker.get("llmplatform:live:host")) == told
    assert 0 < broker.ttl("llmplatform:live:host") <= publish.KEPT_S


def test_messages_are_numbered(heard):
    for topic in ("host", "gpus", "host"):
        publish.publish(topic, [])
    first, second, third = (told["seq"] for told in heard(3))
    assert (second - first, third - first) == (1, 2)


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        publish.publish("host", {"cpu_utilization": float("nan")})


def test_broker_that_is_gone_is_told_once_and_costs_no_time(caplog):
    publisher = Publisher("unix:///nowhere/broker.sock")
    began = time.monotonic()
    for _ in range(100):
        publisher.publish("host", {})
    publisher._silent_until = 0
    publisher.publish("host", {})
    assert time.monotonic() - began < 20
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "the live view is interrupted" in caplog.text
