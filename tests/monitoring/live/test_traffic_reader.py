import logging

import pytest
import redis
from django.conf import settings

from monitoring.live import traffic
from monitoring.live.traffic import TrafficReport
from monitoring.live.traffic_reader import TrafficReader

NOON = 1_700_000_000


@pytest.fixture
def broker():
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete(traffic.KEY)
        yield broker
        broker.delete(traffic.KEY)


@pytest.fixture
def reader():
    reader = TrafficReader(settings.REDIS_URL)
    yield reader
    reader.close()


def report(broker, writer, at, requests=2, seconds=1.0, bucket="15"):
    counts = {"requests": requests, "errors": 1, "in_flight": 3, "prompt_tokens": 9}
    times = {"sum": 1.0, "counts": {bucket: requests}}
    model = {**counts, "completion_tokens": 8, "response_time": times}
    broker.hset(traffic.KEY, writer, TrafficReport(at, seconds, {"7": model}).encode())


def test_gateways_are_summed(broker, reader):
    report(broker, "one", NOON)
    report(broker, "two", NOON - 1, seconds=2.0)
    report(broker, "gone", NOON - 5, requests=100)
    assert reader.read(NOON) == {
        "7": {
            "requests_per_s": 3,
            "errors_per_s": 1.5,
            "tokens_per_s": 12,
            "concurrency": 6,
        }
    }


def test_p95_covers_ten_seconds_and_counts_once(broker, reader):
    report(broker, "one", NOON, requests=1, bucket="20")
    reader.read(NOON)
    slow = reader.p95("7", NOON)
    report(broker, "one", NOON + 1, requests=99, bucket="10")
    for now in (NOON + 1, NOON + 1.5, NOON + 2):
        reader.read(now)
    mixed = reader.p95("7", NOON + 2)
    assert slow > 5 > 0.2 > mixed
    assert len(reader._durations["7"]) == 2
    assert reader.p95("7", NOON + 10.5) == pytest.approx(mixed, rel=0.1)
    assert reader.p95("7", NOON + 30) is None
    assert not reader._durations


def test_expired_writers_are_deleted(broker, reader):
    report(broker, "old", NOON - 100)
    report(broker, "one", NOON)
    reader.read(NOON)
    assert broker.hkeys(traffic.KEY) == [b"one"]


def test_missing_broker_is_logged_once(caplog):
    reader = TrafficReader("unix:///nowhere/broker.sock")
    for second in range(3):
        assert reader.read(NOON + second) == {}
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    reader.close()
