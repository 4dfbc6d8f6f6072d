import pytest
from django.db import OperationalError, connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from monitoring.history import rollup
from monitoring.history.aggregation import bucket_values
from monitoring.history.recorder import Recorder
from monitoring.history.rollup import roll_up, rolled_up_until
from monitoring.history.tiers import mark_pruned
from monitoring.models import Bucket1h, Bucket1m, Bucket10s, Watermark
from tests.monitoring.history.rows import Clock, a_bucket, a_source, bucket_of, stored

pytestmark = pytest.mark.django_db

HOUR = 1_699_999_200
MINUTE = HOUR + 600


def ten(source, start, requests, writer="w", touched=None):
    values = {"requests": [requests, requests, requests, 1]}
    return a_bucket(Bucket10s, source, start, values, writer, touched or start + 10)


def rows(tier):
    columns = tier.objects.order_by("source", "start", "writer")
    return [
        (row.start, row.writer, stored(row)["requests"][2]) for row in columns.all()
    ]


@pytest.fixture
def model():
    return a_source("model", "7")


def test_minutes_and_hours_sum_all_writers(model):
    for offset in range(0, 120, 10):
        ten(model, MINUTE + offset, 1, "a")
        ten(model, MINUTE + offset, 2, "b")
    roll_up(MINUTE + 130)
    assert rows(Bucket1m) == [(MINUTE, "", 18), (MINUTE + 60, "", 18)]
    assert rows(Bucket1h) == [(HOUR, "", 36)]
    assert bucket_of("model", "7", HOUR, Bucket1h)["requests"] == [1, 2, 36, 24]


def test_roll_up_is_idempotent(model):
    ten(model, MINUTE, 1)
    roll_up(MINUTE + 15)
    before = [list(tier.objects.values()) for tier in (Bucket1m, Bucket1h)]
    roll_up(MINUTE + 15)
    assert [list(tier.objects.values()) for tier in (Bucket1m, Bucket1h)] == before


def test_open_minute_is_rolled_up_so_far(model):
    row = ten(model, MINUTE, 1)
    roll_up(MINUTE + 12)
    row.values, row.touched = '{"requests":[1,1,5,5]}', MINUTE + 13
    row.save()
    ten(model, MINUTE + 10, 1)
    roll_up(MINUTE + 25)
    assert rows(Bucket1m) == [(MINUTE, "", 6)]


def test_only_new_rows_are_read(model, django_assert_max_num_queries):
    for minute in range(0, 3600, 60):
        ten(model, HOUR + minute, 1)
    roll_up(HOUR + 3600)
    ten(model, HOUR + 3610, 1)
    with django_assert_max_num_queries(16):
        roll_up(HOUR + 3660)
    assert rows(Bucket1h) == [(HOUR, "", 60), (HOUR + 3600, "", 1)]


def test_late_rows_reach_minutes_and_hours(model):
    ten(model, MINUTE, 1)
    roll_up(MINUTE + 3600)
    ten(model, MINUTE + 10, 5, touched=MINUTE + 3590)  # written late, within the slack
    ten(model, MINUTE + 300, 7, touched=MINUTE + 3700)
    roll_up(MINUTE + 3720)
    assert rows(Bucket1m) == [(MINUTE, "", 6), (MINUTE + 300, "", 7)]
    assert rows(Bucket1h) == [(HOUR, "", 13)]


def test_backlog_is_rolled_up_when_the_database_returns():
    clock = Clock(HOUR)
    recorder = Recorder("gateway", clock)

    def away(*_):
        raise OperationalError("away")

    with connection.execute_wrapper(away):
        for _ in range(300):
            recorder.add("model", "7", "smol", {"requests": 1})
            recorder.flush(include_open=False)
            clock.now += 10
    roll_up(clock.now)
    assert rows(Bucket1h) == []
    recorder.flush()
    roll_up(clock.now + 5)
    assert rows(Bucket1h) == [(HOUR, "", 300)]
    assert len(rows(Bucket1m)) == 50


def test_killed_roll_up_continues_where_it_stopped(model):
    for minute in range(0, 7200, 60):
        ten(model, HOUR + minute, 1)
    writes = []

    def killed(execute, sql, params, many, context):
        if "INSERT" in sql and "bucket1h" in sql:
            writes.append(sql)
            if len(writes) == 3:
                raise KeyboardInterrupt
        return execute(sql, params, many, context)

    with pytest.raises(KeyboardInterrupt), connection.execute_wrapper(killed):
        roll_up(HOUR + 7200)
    done = Watermark.objects.get(name=rollup.MARK).at
    assert HOUR + 600 < done < HOUR + 7200
    assert 0 < len(rows(Bucket1m)) < 120
    roll_up(HOUR + 7200)
    assert rows(Bucket1h) == [(HOUR, "", 60), (HOUR + 3600, "", 60)]
    assert len(rows(Bucket1m)) == 120


def test_mark_in_the_future_restarts_the_roll_up(model):
    ten(model, MINUTE, 1)
    roll_up(MINUTE + 86_400)
    ten(model, MINUTE + 10, 1)
    roll_up(MINUTE + 30)
    assert rows(Bucket1m) == [(MINUTE, "", 2)]
    assert rolled_up_until() == MINUTE + 31


def test_clock_that_jumps_back_adds_to_pruned_minutes(model):
    """Their ten-second rows were deleted long ago: computed afresh, the minute would
    lose what it has."""
    a_bucket(Bucket1m, model, MINUTE, {"requests": [1, 1, 100, 60]})
    a_bucket(Bucket1h, model, HOUR, {"requests": [1, 1, 200, 60]})
    for tier in (Bucket10s, Bucket1m):
        mark_pruned(tier, HOUR + 3600)
    ten(model, MINUTE, 5, "jumped", touched=MINUTE + 86_400)
    for _ in range(2):
        roll_up(MINUTE + 86_400)
    assert rows(Bucket1m) == [(MINUTE, "", 100), (MINUTE, "jumped", 5)]
    assert rows(Bucket1h) == [(HOUR, "", 200), (HOUR, "jumped", 5)]


def test_rolled_up_until_is_zero_at_first():
    assert rolled_up_until() == 0
    roll_up(HOUR)
    assert rolled_up_until() == HOUR + 1


class TestAnyHistory(TestCase):
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 7199),  # when
                st.integers(0, 50),
                st.sampled_from("abc"),
                st.booleans(),  # rolled up now and then
            ),
            max_size=25,
        )
    )
    def test_hours_equal_the_sum_of_samples(self, samples):
        clock = Clock(HOUR)
        writers = {name: Recorder(name, clock) for name in "abc"}
        for offset, number, name, now in samples:
            writers[name].add(
                "model", "7", "smol", {"requests": number}, at=HOUR + offset
            )
            writers[name].flush()
            if now:
                roll_up(clock.now)
        roll_up(clock.now)
        expected = {}
        for offset, number, *_ in samples:
            start = (HOUR + offset) // 3600 * 3600
            expected[start] = expected.get(start, 0) + number
        parts = {start: total for start, _, total in rows(Bucket1h)}
        assert parts == expected
        whole = bucket_values.merge(map(stored, Bucket1m.objects.all()))
        assert whole.get("requests", [0, 0, 0, 0])[3] == len(samples)
