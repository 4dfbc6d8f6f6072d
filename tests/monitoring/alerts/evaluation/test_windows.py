import pytest

from monitoring.alerts.evaluation.windows import Reading, Windows
from monitoring.history.aggregation import bucket_values
from monitoring.metrics import METRICS

GPU = ("gpu", "GPU-1")
MODEL = ("model", "7")
NOW = 1_700_000_000


@pytest.fixture
def windows():
    return Windows()


def gauge(*samples, metric="gpu_temperature"):
    values = {}
    for sample in samples:
        bucket_values.add_number(values, metric, sample)
    return values


def requests(number, errors=None):
    values = {"requests": [number, number, number, 1]}
    if errors is not None:
        values["errors"] = [errors, errors, errors, 1]
    return values


def durations(*seconds):
    values = {}
    for each in seconds:
        bucket_values.add_duration(values, "response_time", each)
    return values


def read(windows, metric, aggregate, window_s=60, source=GPU, now=NOW):
    return windows.read(source, METRICS[metric], aggregate, window_s, now)


@pytest.mark.parametrize(
    ("aggregate", "value"), [("avg", 75), ("min", 60), ("max", 90)]
)
def test_gauge(windows, aggregate, value):
    windows.put(GPU, "0 H100", NOW - 20, "m", gauge(60, 90))
    windows.put(GPU, "0 H100", NOW - 10, "m", gauge(75, 75))
    assert read(windows, "gpu_temperature", aggregate) == Reading(value, 4)


def test_rate_covers_the_window(windows):
    windows.put(MODEL, "smol", NOW - 10, "a", requests(100))
    windows.put(MODEL, "smol", NOW, "b", requests(22))
    found = read(windows, "requests", "rate", source=MODEL)
    assert found == Reading(pytest.approx(122 / 61), 122)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([requests(100, 5)], Reading(5, 100)),
        ([requests(100)], Reading(0, 100)),
        ([requests(50, 5), requests(50)], Reading(5, 100)),
        ([requests(0, 0)], None),
        ([{}], None),
    ],
)
def test_ratio_is_of_sums(windows, rows, expected):
    for index, row in enumerate(rows):
        windows.put(MODEL, "smol", NOW - 10, f"gateway-{index}", row)
    assert read(windows, "error_ratio", "avg", source=MODEL) == expected


def test_percentile_of_all_writers(windows):
    windows.put(MODEL, "smol", NOW - 10, "a", durations(*[0.1] * 18))
    windows.put(MODEL, "smol", NOW - 10, "b", durations(3, 3))
    found = read(windows, "response_time", "p95", source=MODEL)
    assert found.count == 20
    assert 2 < found.value <= 4


def test_open_bucket_is_read_as_it_is_filled(windows):
    values = gauge(50)
    windows.put(GPU, "0 H100", NOW, "m", values)
    assert read(windows, "gpu_temperature", "max").value == 50
    bucket_values.add_number(values, "gpu_temperature", 90)
    windows.put(GPU, "0 H100", NOW, "m", values)
    assert read(windows, "gpu_temperature", "max").value == 90


def test_row_that_arrives_late_counts(windows):
    for age in (50, 40, 30, 20, 10, 0):
        windows.put(GPU, "0 H100", NOW - age, "m", gauge(50))
    assert read(windows, "gpu_temperature", "max").value == 50
    windows.put(GPU, "0 H100", NOW - 40, "other", gauge(99))
    assert read(windows, "gpu_temperature", "max").value == 99


def test_window_moves(windows):
    windows.put(GPU, "0 H100", NOW, "m", gauge(90))
    assert read(windows, "gpu_temperature", "max", now=NOW + 69).value == 90
    assert read(windows, "gpu_temperature", "max", now=NOW + 70) is None


def test_old_buckets_are_forgotten(windows):
    windows.keep_s = 900
    windows.put(GPU, "0 H100", NOW, "m", gauge(90))
    read(windows, "gpu_temperature", "max")
    windows.forget(NOW + 900)
    assert list(windows.sources("gpu")) == [GPU]
    windows.forget(NOW + 960)
    assert list(windows.sources("gpu")) == []
    assert windows.closed == {}


def test_unknown_source_has_no_reading(windows):
    assert read(windows, "gpu_temperature", "max") is None
