import logging

import pytest
import redis
from django.conf import settings

from monitoring.live import traffic
from monitoring.live.traffic import Told
from monitoring.live.traffic_reader import WatchedTraffic

NOON = 1_700_000_000


@pytest.fixture
def broker():
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete(traffic.KEY)
        yield broker
        broker.delete(traffic.KEY)


@pytest.fixture
def watched():
    watched = WatchedTraffic(settings.REDIS_URL)
    yield watched
    watched.close()


def tell(broker, writer, at, requests=2, seconds=1.0, bucket="15"):
    counts = {"requests": requests, "errors": 1, "in_flight": 3, "prompt_tokens": 9}
    times = {"sum": 1.0, "counts": {bucket: requests}}
    model = {**counts, "completion_tokens": 8, "response_time": times}
    broker.hset(traffic.KEY, writer, Told(at, seconds, {"7": model}).packed())


def test_gateways_add_up(broker, watched):
    tell(broker, "one", NOON)
    tell(broker, "two", NOON - 1, seconds=2.0)
    tell(broker, "gone", NOON - 5, requests=100)
    assert watched.read(NOON) == {
        "7": {
            "requests_per_s": 3,
            "errors_per_s": 1.5,
            "tokens_per_s": 12,
            "concurrency": 6,
        }
    }


def test_p95_is_of_the_last_ten_seconds_and_counts_nothing_twice(broker, watched):
    tell(broker, "one", NOON, requests=1, bucket="20")
    watched.read(NOON)
    slow = watched.p95("7", NOON)
    tell(broker, "one", NOON + 1, requests=99, bucket="10")
    for now in (NOON + 1, NOON + 1.5, NOON + 2):
        watched.read(now)
    mixed = watched.p95("7", NOON + 2)
    assert slow > 5 > 0.2 > mixed
    assert len(watched._times["7"]) == 2
    assert watched.p95("7", NOON + 10.5) == pytest.approx(mixed, rel=0.1)
    assert watched.p95("7", NOON + 30) is None
    assert not watched._times


def test_writers_that_are_gone_are_forgotten(broker, watched):
    tell(broker, "old", NOON - 100)
    tell(broker, "one", NOON)
    watched.read(NOON)
    assert broker.hkeys(traffic.KEY) == [b"one"]


def test_broker_that_is_away_is_told_once_and_then_left_alone(caplog):
    watched = WatchedTraffic("unix:///nowhere/broker.sock")
    for second in range(3):
        assert watched.read(NOON + second) == {}
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    watched.close()
