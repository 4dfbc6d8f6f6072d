import pytest
from django.db import OperationalError, connection

from models_app.models import Activity
from monitoring.history.aggregation import bucket_values
from monitoring.history.recorder import MAX_BUCKETS, Recorder
from monitoring.models import Bucket10s, Source
from tests.monitoring.history.rows import Clock, bucket_of, stored

pytestmark = pytest.mark.django_db

NOON = 1_700_000_000  # the start of a bucket


@pytest.fixture
def clock():
    return Clock(NOON)


@pytest.fixture
def recorder(clock):
    return Recorder("test", clock)


def add(recorder, requests=1, **fields):
    recorder.add("model", "7", "smol", {"requests": requests}, **fields)


def count(start=NOON):
    return bucket_of("model", "7", start)["requests"]


def broken_database(execute, sql, params, many, context):
    raise OperationalError("away")


def test_gauges_counters_and_durations_share_a_row(recorder, clock):
    recorder.add("model", "7", "smol", {"kv_cache_usage": 0.5, "requests": 2})
    clock.now += 1
    recorder.add("model", "7", "smol", {"kv_cache_usage": 0.25, "requests": 0})
    recorder.observe("model", "7", "smol", "response_time", 1.0)
    assert recorder.flush()
    [row] = Bucket10s.objects.all()
    assert (row.start, row.touched) == (NOON, NOON + 1)
    assert stored(row) == {
        "kv_cache_usage": [0.25, 0.5, 0.75, 2],
        "requests": [0, 2, 2, 2],
        "response_time": {"sum": 1.0, "counts": {"15": 1}},
    }


def test_unknown_values_are_left_out(recorder):
    values = {"gpu_power": None, "gpu_clock_sm": float("nan"), "gpu_temperature": 40}
    recorder.add("gpu", "GPU-1", "0 fake", values)
    recorder.flush()
    assert list(bucket_of("gpu", "GPU-1", NOON)) == ["gpu_temperature"]


def test_negative_increments_are_left_out_but_not_negative_gauges(recorder):
    recorder.add("gpu", "GPU-1", "0 fake", {"gpu_temperature": -5})
    add(recorder, -3)
    recorder.flush()
    assert bucket_of("gpu", "GPU-1", NOON)["gpu_temperature"] == [-5, -5, -5, 1]
    assert bucket_of("model", "7", NOON) == {}


def test_sources_are_created_and_updated(recorder, clock):
    recorder.add("gpu", "GPU-1", "0 fake", {"gpu_power": 1}, node="a")
    recorder.flush()
    clock.now += 61
    recorder.add("gpu", "GPU-1", "1 fake", {"gpu_temperature": 1}, node="a")
    recorder.flush()
    source = Source.objects.get()
    assert (source.name, source.node) == ("1 fake", "a")
    assert source.metrics == ["gpu_power", "gpu_temperature"]
    assert (source.first_seen, source.last_seen) == (NOON, NOON + 61)


def test_two_writers_add_to_the_metrics_of_a_source_and_keep_its_node(clock):
    gateway, monitor = Recorder("gateway", clock), Recorder("monitor", clock)
    monitor.add("model", "7", "smol", {"kv_cache_usage": 0.5}, node="here")
    monitor.flush()
    add(gateway)
    gateway.flush()
    source = Source.objects.get()
    assert (source.metrics, source.node) == (["kv_cache_usage", "requests"], "here")


def test_flush_is_idempotent(recorder, django_assert_num_queries):
    add(recorder)
    recorder.flush()
    before = list(Bucket10s.objects.values())
    with django_assert_num_queries(0):
        assert recorder.flush()
    assert list(Bucket10s.objects.values()) == before


def test_an_open_bucket_grows_in_its_row(recorder, django_assert_max_num_queries):
    for _ in range(3):
        add(recorder)
        with django_assert_max_num_queries(8):
            recorder.flush()
    assert (count(), Bucket10s.objects.count()) == ([1, 1, 3, 3], 1)


def test_flush_can_leave_out_open_buckets(recorder, clock):
    add(recorder)
    recorder.flush(include_open=False)
    assert not Bucket10s.objects.exists()
    clock.now += 10
    recorder.flush(include_open=False)
    assert count() == [1, 1, 1, 1]


def test_restart_loses_only_unflushed_samples(recorder, clock):
    add(recorder)
    recorder.flush()
    add(recorder)  # lost with its process
    restarted = Recorder("test", clock)
    add(restarted)
    restarted.flush()
    assert count() == [1, 1, 2, 2]


def test_two_writers_of_one_series_sum_exactly(clock):
    writers = [Recorder("gateway", clock) for _ in range(3)]
    for number in range(300):
        clock.now += 0.25
        add(writers[number % 3])
        if number % 7 == 0:
            writers[number % 2].flush()
    for writer in writers:
        writer.flush()
    assert Bucket10s.objects.count() > 3 * 7
    parts = [stored(row) for row in Bucket10s.objects.all()]
    assert bucket_values.merge(parts)["requests"] == [1, 1, 300, 300]


@pytest.mark.parametrize("back", [1, 9, 15, 40, 3600, 3 * 86400])
def test_clock_that_jumps_back_replaces_nothing(recorder, clock, back):
    for second in range(120):
        clock.now = NOON + second - (back if second >= 60 else 0)
        add(recorder)
        recorder.flush()
    rows = list(Bucket10s.objects.all())
    assert bucket_values.merge(map(stored, rows))["requests"] == [1, 1, 120, 120]
    assert len(rows) == len({(row.start, row.writer) for row in rows})


def test_late_samples_reach_their_bucket(recorder, clock):
    add(recorder)
    clock.now += 10
    add(recorder)
    recorder.flush()
    add(recorder, at=NOON + 9.9)
    recorder.flush()
    assert (count(), count(NOON + 10)) == ([1, 1, 2, 2], [1, 1, 1, 1])
    assert Bucket10s.objects.count() == 2


def test_buffered_samples_are_written_later(recorder, clock, caplog):
    with connection.execute_wrapper(broken_database):
        for _ in range(60):
            add(recorder)
            assert not recorder.flush()
            clock.now += 1
    assert recorder.flush()
    assert [count(NOON + s) for s in range(0, 60, 10)] == [[1, 1, 10, 10]] * 6
    assert len(caplog.records) == 1


def test_memory_is_bounded_while_the_database_is_down(recorder, clock):
    with connection.execute_wrapper(broken_database):
        for _ in range(MAX_BUCKETS + 40):
            add(recorder)
            clock.now += 10
        recorder.flush()
    recorder.flush()
    starts = Bucket10s.objects.order_by("start").values_list("start", flat=True)
    assert (len(starts), starts[0]) == (MAX_BUCKETS, NOON + 400)


def test_deleted_source_is_created_again(recorder, clock):
    add(recorder)
    recorder.flush()
    Source.objects.all().delete()
    clock.now += 60
    add(recorder)
    recorder.flush()
    assert bucket_of("model", "7", NOON + 60)["requests"] == [1, 1, 1, 1]


def test_written_buckets_are_discarded(recorder, clock):
    for number in range(100):
        recorder.add("model", str(number), "smol", {"requests": 1})
        recorder.flush()
        clock.now += 10
    assert sum(map(len, recorder.buckets.values())) <= 3
    assert len(recorder.infos) <= 3


def test_full_disk_pauses_history_and_is_reported_once(recorder, clock, settings):
    settings.STORE_MIN_FREE_MIB = 2**40
    for _ in range(3):
        add(recorder)
        assert not recorder.flush()
    other = Recorder("other", clock)
    add(other)
    assert not other.flush()
    assert not Bucket10s.objects.exists()
    settings.STORE_MIN_FREE_MIB = 0
    assert recorder.flush()
    assert other.flush()
    assert count() == [1, 1, 4, 4]
    codes = list(Activity.objects.order_by("pk").values_list("code", flat=True))
    assert codes == ["history_paused", "history_resumed"]


def test_merged_values_join_their_bucket(recorder):
    recorder.observe("model", "7", "smol", "response_time", 1.0)
    elsewhere = {"response_time": {"sum": 5.0, "counts": {"15": 2, "17": 1}}}
    recorder.merge("model", "7", "smol", elsewhere)
    recorder.merge("model", "7", "smol", elsewhere, at=NOON - 10)
    recorder.flush()
    assert bucket_of("model", "7", NOON) == {
        "response_time": {"sum": 6.0, "counts": {"15": 3, "17": 1}}
    }
    assert bucket_of("model", "7", NOON - 10) == elsewhere
