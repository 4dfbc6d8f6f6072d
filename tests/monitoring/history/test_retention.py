import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.history import retention
from monitoring.history.retention import CHUNK, prune, size_mib
from monitoring.history.rollup import roll_up
from monitoring.history.tiers import available_since, pruned_before
from monitoring.models import Bucket1h, Bucket1m, Bucket10s, Source
from tests.monitoring.history.rows import a_bucket, a_source

pytestmark = pytest.mark.django_db

NOW = 1_700_000_000
HOUR, DAY = 3600, 86_400


@pytest.fixture
def gpu():
    return a_source()


@pytest.fixture(autouse=True)
def _rolled_up():
    roll_up(NOW)


def fill(tier, source, count, width, size=10):
    """The newest of them ends now."""
    text = '{"gpu_power":"' + "x" * size + '"}'
    starts = (NOW - (n + 1) * width for n in range(count))
    tier.objects.bulk_create(
        tier(source=source, start=start, values=text, touched=start + width)
        for start in starts
    )


def ages(tier, unit=1):
    starts = tier.objects.order_by("-start").values_list("start", flat=True)
    return [(NOW - start) // unit for start in starts]


def test_each_tier_has_its_own_retention(gpu, settings):
    settings.HISTORY_10S_HOURS = 5
    settings.HISTORY_1M_DAYS = 3
    settings.HISTORY_1H_DAYS = 100
    for tier in (Bucket10s, Bucket1m, Bucket1h):
        for age in (HOUR, 4 * HOUR, 6 * HOUR, 2 * DAY, 4 * DAY, 99 * DAY, 101 * DAY):
            a_bucket(tier, gpu, NOW - age, {})
    assert prune(NOW) == 5 + 3 + 1
    assert ages(Bucket10s, HOUR) == [1, 4]
    assert ages(Bucket1m, HOUR) == [1, 4, 6, 48]
    assert ages(Bucket1h, DAY) == [0, 0, 0, 2, 4, 99]
    assert prune(NOW) == 0


def test_rows_not_rolled_up_yet_stay(gpu):
    a_bucket(Bucket10s, gpu, NOW - 9 * DAY, {}, touched=NOW - HOUR)
    assert prune(NOW) == 0
    roll_up(NOW + 2 * HOUR)
    assert prune(NOW + 2 * HOUR) == 1


def test_deletes_in_small_transactions(gpu):
    fill(Bucket1m, gpu, 2 * CHUNK + 1, 1000)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert prune(NOW) > CHUNK
    deletes = [q["sql"] for q in queries if q["sql"].startswith("DELETE")]
    assert [sql.count(",") + 1 <= CHUNK for sql in deletes] == [True, True]


def test_space_is_freed_from_the_finest_and_oldest(gpu, settings):
    fill(Bucket10s, gpu, 2000, 60, size=2000)
    fill(Bucket1m, gpu, 500, 60, size=2000)
    assert 4 < size_mib() < 6
    settings.HISTORY_MAX_MIB = 3
    prune(NOW)
    assert 2.5 < size_mib() <= 3
    assert max(ages(Bucket1m, 60)) == 500
    kept = ages(Bucket10s, 60)
    assert kept == list(range(1, len(kept) + 1))
    oldest = NOW - available_since(Bucket10s, NOW)
    assert oldest == pytest.approx(kept[-1] * 60, abs=120)


def test_next_tier_is_deleted_when_the_finest_is_at_its_minimum(gpu, settings):
    settings.HISTORY_MAX_MIB = 0
    fill(Bucket10s, gpu, 100, 600)
    fill(Bucket1m, gpu, 100, HOUR)
    fill(Bucket1h, gpu, 100, DAY)
    prune(NOW)
    assert max(ages(Bucket10s)) <= 2 * HOUR
    assert max(ages(Bucket1m)) <= 2 * DAY
    assert max(ages(Bucket1h)) <= 30 * DAY
    assert all(len(ages(tier)) > 10 for tier in (Bucket10s, Bucket1m, Bucket1h))


def test_freeing_space_stops_at_the_minimum(gpu, settings):
    settings.HISTORY_MAX_MIB = 0
    a_bucket(Bucket10s, gpu, NOW - HOUR, {})
    a_bucket(Bucket1m, gpu, NOW + DAY, {})  # of a clock that was fast
    assert prune(NOW) == 0


def test_too_short_retention_is_raised_to_the_minimum(gpu, settings):
    settings.HISTORY_10S_HOURS = settings.HISTORY_1M_DAYS = 0
    a_bucket(Bucket10s, gpu, NOW - HOUR, {})
    a_bucket(Bucket1m, gpu, NOW - DAY, {})
    assert prune(NOW) == 0


def test_source_is_deleted_with_its_last_row(gpu):
    a_source(key="GPU-old", last_seen=NOW - 731 * DAY)
    prune(NOW)
    assert list(Source.objects.all()) == [gpu]


def test_pruning_is_recorded(gpu):
    prune(NOW)
    assert pruned_before(Bucket10s) == NOW - 2 * DAY
    prune(NOW - DAY)  # a clock put back brings nothing back
    assert pruned_before(Bucket10s) == NOW - 2 * DAY


def test_source_is_deleted_with_all_of_its_history(gpu):
    other = a_source(key="GPU-2")
    for tier in (Bucket10s, Bucket1m, Bucket1h):
        a_bucket(tier, gpu, NOW, {})
        a_bucket(tier, other, NOW, {})
    retention.delete_source(gpu)
    assert list(Source.objects.all()) == [other]
    assert [t.objects.get().source for t in (Bucket10s, Bucket1m, Bucket1h)] == [
        other
    ] * 3
