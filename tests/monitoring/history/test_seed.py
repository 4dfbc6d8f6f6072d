import pytest
from django.core.management import call_command

from monitoring.history.params import HistoryQuery
from monitoring.history.query import run_query
from monitoring.history.seed import Plan, clear, seed
from monitoring.metrics import METRICS
from monitoring.models import TIERS, Bucket1h, Bucket1m, Bucket10s, Source
from tests.monitoring.history.rows import a_bucket, a_source, bucket_of, stored

pytestmark = pytest.mark.django_db

END = 1_700_000_000 // 3600 * 3600
SMALL = Plan(end=END, days=1, gpus=1, models=1)


def contents():
    columns = ("source__key", "start", "values")
    rows = [tier.objects.order_by(*columns) for tier in TIERS]
    return [list(tier.values_list(*columns)) for tier in rows]


def test_small_history_is_complete_and_marked():
    assert seed(SMALL) == 3 * (1440 + 24)
    assert {s.key: s.demo for s in Source.objects.all()} == {
        "demo-host": True, "GPU-demo-0": True, "demo-0": True,
    }  # fmt: skip
    assert not Bucket10s.objects.exists()
    for row in Bucket1h.objects.all():
        assert all(METRICS[name].name for name in stored(row))
    source = Source.objects.get(kind="model")
    assert set(source.metrics) == set(
        bucket_of("model", "demo-0", END - 3600, Bucket1m)
    )


def test_numbers_are_consistent():
    seed(SMALL)
    for row in [*Bucket1m.objects.all(), *Bucket1h.objects.all()]:
        for metric, value in stored(row).items():
            if METRICS[metric].kind == "histogram":
                assert min(value["counts"].values(), default=1) > 0
            else:
                low, high, total, count = value
                assert 0 <= low <= total / count + 0.01
                assert total / count <= high + 0.01


def test_same_seed_gives_the_same_history():
    seed(SMALL)
    first = contents()
    seed(SMALL)
    assert contents() == first
    seed(Plan(end=END, days=1, gpus=1, models=1, seed=2))
    assert contents() != first


def test_fine_history_agrees_with_its_roll_up():
    seed(Plan(end=END, days=1, gpus=0, models=0, fine=True))
    assert Bucket10s.objects.count() == 8640
    params = {"start": END - 3600, "end": END, "metrics": ["cpu_utilization"]}
    queries = [
        HistoryQuery(**params, step=step, aggregate="avg") for step in (10, 60, 3600)
    ]
    means = [run_query(query, END).series[0]["values"] for query in queries]
    assert sum(means[0]) / 360 == pytest.approx(sum(means[1]) / 60, abs=0.1)
    assert sum(means[1]) / 60 == pytest.approx(means[2][0], abs=0.1)


def test_days_are_busier_than_nights():
    seed(SMALL)
    params = {"start": END - 86_400, "end": END, "metrics": ["gpu_utilization"]}
    [series] = run_query(HistoryQuery(**params, step=3600), END).series
    ordered = sorted(series["values"])
    assert ordered[-4] > 3 * ordered[3]


def test_clear_deletes_only_demo_history():
    real = a_source()
    a_bucket(Bucket1m, real, END, {})
    seed(SMALL)
    assert clear() == 3
    assert list(Source.objects.all()) == [real]
    assert [tier.objects.count() for tier in TIERS] == [0, 1, 0]


def test_command(capsys):
    call_command("seed_metrics", "--days=1", "--gpus=1", "--models=0")
    assert "rows written: 2928" in capsys.readouterr().out
    call_command("seed_metrics", "--clear")
    assert "sources removed: 2" in capsys.readouterr().out
