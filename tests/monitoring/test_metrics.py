from django.utils.translation import override

from monitoring import labels
from monitoring.history.aggregation.aggregates import ALLOWED, DEFAULT, FINISH
from monitoring.metrics import METRICS


def test_every_metric_has_a_unique_label_in_both_languages():
    for language in ("en", "zh-hans"):
        with override(language):
            texts = [labels.label(name) for name in METRICS]
        assert len(set(texts)) == len(METRICS) == len(labels.LABELS)


def test_units_of_values_and_rates():
    expected = {
        ("gpu_temperature", ""): "°C",
        ("network_sent_bytes", "sum"): "B",
        ("network_sent_bytes", "rate"): "B/s",
        ("requests", "rate"): "1/s",
        ("request_seconds_in_flight", "rate"): "",
        ("response_time", "p95"): "s",
        ("response_time", "rate"): "1/s",
        ("response_time", "sum"): "",
        ("kv_cache_usage", ""): "",
    }
    assert {key: labels.unit(*key) for key in expected} == expected


def test_every_allowed_aggregate_can_be_computed():
    assert {kind: set(made) for kind, made in FINISH.items()} == {
        kind: set(names) for kind, names in ALLOWED.items()
    }
    assert all(DEFAULT[kind] in ALLOWED[kind] for kind in ALLOWED)
