import logging

import pytest
from django.db import OperationalError, connection

from gateway.usage.history import COUNTER_NAMES, HistoryWriter, Interval
from gateway.usage.tracker import Counts
from monitoring.history.recorder import Recorder
from monitoring.metrics import COUNTERS
from monitoring.models import Bucket10s, Source
from tests.monitoring.history.rows import Clock, bucket_of

pytestmark = pytest.mark.django_db

NOON = 1_700_000_000  # the start of a bucket


@pytest.fixture
def clock():
    return Clock(NOON)


@pytest.fixture
def history(clock):
    return HistoryWriter(Recorder("gateway", clock))


def step(at=NOON, name="smol", **counts):
    return Interval(at, {7: Counts(**counts)}, {7: name})


def broken_database(execute, sql, params, many, context):
    raise OperationalError("away")


def count(metric, start=NOON):
    return bucket_of("model", "7", start)[metric]


def test_every_gateway_counter_is_counted():
    others = {
        n for n in COUNTERS["model"] if n.startswith(("engine_", "prefix_", "model_"))
    }
    assert set(COUNTER_NAMES) == COUNTERS["model"].keys() - others


def test_traffic_is_written_at_once_and_summed(history):
    durations = {"response_time": {"sum": 3.0, "counts": {"15": 2}}}
    history.queue.append(step(requests=3, errors=1, durations=durations))
    history.write()
    assert (count("requests"), count("errors")) == ([3, 3, 3, 1], [1, 1, 1, 1])
    history.queue.append(step(NOON + 1, requests=2, durations=durations))
    history.write()
    assert count("requests") == [2, 3, 5, 2]
    assert count("response_time") == {"sum": 6.0, "counts": {"15": 4}}
    assert Source.objects.get().name == "smol"


def test_zeros_are_written_when_their_bucket_is_full(history, clock):
    for second in range(10):
        history.queue.append(step(NOON + second))
        history.write()
    assert not Bucket10s.objects.exists()
    clock.now += 10
    history.write()
    assert count("requests") == [0, 0, 0, 10]
    assert "response_time" not in bucket_of("model", "7", NOON)


def test_nothing_is_lost_while_the_database_is_down(history, caplog):
    with connection.execute_wrapper(broken_database):
        for second in range(30):
            history.queue.append(step(NOON + second, requests=1))
            history.write()
    history.write(force=True)
    starts = NOON, NOON + 10, NOON + 20
    assert [count("requests", start)[2] for start in starts] == [10, 10, 10]
    assert len([r for r in caplog.records if r.levelno >= logging.ERROR]) == 1


def test_failed_write_is_retried_after_a_pause(history):
    with connection.execute_wrapper(broken_database):
        history.queue.append(step(requests=1))
        history.write()
    history.write()
    assert not Bucket10s.objects.exists()
    history.write(force=True)
    assert count("requests")[2] == 1


def test_deleted_model_is_recorded_by_id(history):
    history.queue.append(Interval(NOON, {7: Counts(requests=1)}, {}))
    history.write()
    assert Source.objects.get().name == "7"
