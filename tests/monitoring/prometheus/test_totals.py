import pytest

from monitoring.models import Bucket1h, Bucket1m, Bucket10s, Total
from monitoring.prometheus import totals
from tests.monitoring.history.rows import a_bucket, a_source

pytestmark = pytest.mark.django_db

NOW = 1_000_000 * 3600
REQUESTS = ["requests", "response_time", "kv_cache_usage"]


@pytest.fixture
def source():
    return a_source("model", "1", metrics=REQUESTS)


def count(tier, source, start, number, writer=""):
    values = {
        "requests": [0, number, number, 10],
        "response_time": {"sum": 0.5, "counts": {"3": number}},
        "kv_cache_usage": [0.1, 0.3, 2.0, 10],
    }
    a_bucket(tier, source, start, values, writer)


def requests(source, now):
    found = totals.read([source], now)[source.pk].totals
    return found["requests"][2] if found else None


def test_totals_are_empty_at_first(source):
    assert requests(source, NOW) is None


def test_writers_are_summed(source):
    count(Bucket10s, source, NOW - 20, 3, "one")
    count(Bucket10s, source, NOW - 20, 4, "two")
    assert requests(source, NOW) == 7


def test_gauges_come_from_the_newest_complete_bucket(source):
    count(Bucket10s, source, NOW - 30, 1)
    a_bucket(Bucket10s, source, NOW - 20, {"kv_cache_usage": [0.5, 0.5, 5, 10]})
    a_bucket(Bucket10s, source, NOW - 5, {"kv_cache_usage": [0.9, 0.9, 0.9, 1]})
    seen = totals.read([source], NOW)[source.pk]
    assert seen.latest["kv_cache_usage"] == [0.5, 0.5, 5, 10]
    assert set(seen.totals) == {"requests", "response_time"}


def test_old_gauges_are_left_out(source):
    count(Bucket10s, source, NOW - 120, 1)
    assert totals.read([source], NOW)[source.pk].latest == {}


def test_pruned_rows_stay_in_the_total(source):
    count(Bucket1h, source, NOW - 500 * 3600, 100)
    count(Bucket10s, source, NOW - 60, 5)
    assert requests(source, NOW) == 105
    Bucket1h.objects.all().delete()
    assert requests(source, NOW) == 105
    assert requests(source, NOW + 900) == 105
    Bucket10s.objects.all().delete()
    assert requests(source, NOW + 1800) == 105


def test_total_never_decreases(source):
    """A day of a bucket in each minute, rolled up beside: read now and then."""
    begin, last = NOW - 24 * 3600, 0
    for minute in range(24 * 60):
        start = begin + minute * 60
        count(Bucket10s, source, start, 1)
        count(Bucket1m, source, start, 1)
        if minute % 60 == 59:
            count(Bucket1h, source, start - 59 * 60, 60)
        if minute in (0, 1, 7, 8, 200, 201, 240, 900, 1300, 1439):
            found = requests(source, start + 30)
            assert found == minute + 1
            assert found >= last
            last = found
    assert Total.objects.get().until > begin


def test_scrape_after_a_long_break_reads_hours(source, django_assert_num_queries):
    count(Bucket10s, source, NOW - 30 * 3600, 1)
    requests(source, NOW - 30 * 3600 + 1000)
    for hour in range(25):
        count(Bucket1h, source, NOW - 28 * 3600 + hour * 3600, 10)
    assert requests(source, NOW) == 251


def test_concurrent_advances_count_once(source):
    count(Bucket10s, source, NOW, 5)
    assert requests(source, NOW + 60) == 5
    stale = Total.objects.get()
    assert requests(source, NOW + 3000) == 5
    late = totals._advanced({source.pk: {}}, stale.until, NOW + 2000)
    totals._store(late, stale.until)
    assert requests(source, NOW + 3100) == 5


def test_second_scrape_of_many_sources_costs_two_queries(django_assert_num_queries):
    sources = [a_source("model", str(n), metrics=REQUESTS) for n in range(20)]
    for each in sources:
        count(Bucket10s, each, NOW - 20, 1)
    totals.read(sources, NOW)
    with django_assert_num_queries(2):
        totals.read(sources, NOW + 15)


def test_scrape_of_many_sources_advances_them_together(django_assert_max_num_queries):
    sources = [a_source("model", str(n), metrics=REQUESTS) for n in range(300)]
    for now in (NOW, NOW + 1000):
        for each in sources:
            count(Bucket10s, each, now - 600, 1)
        with django_assert_max_num_queries(30):
            found = totals.read(sources, now)
    assert {found[each.pk].totals["requests"][2] for each in sources} == {2}
    assert {total.until for total in Total.objects.all()} == {NOW + 1000 - 300}
