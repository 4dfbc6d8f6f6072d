import time

import pytest

from monitoring.alerts.evaluation.windows import Windows
from monitoring.alerts.series import SeriesReader
from monitoring.history.recorder import Recorder
from monitoring.metrics import METRICS
from monitoring.models import Source

pytestmark = pytest.mark.django_db
MODEL = ("model", "7")


def value(windows, metric, aggregate, source, window_s=60):
    reading = windows.read(
        source, METRICS[metric], aggregate, window_s, int(time.time())
    )
    return reading and reading.value


def test_own_samples_count_before_they_are_written():
    windows, recorder = Windows(), Recorder("monitor")
    reader = SeriesReader(windows)
    reader.keep(60)
    recorder.add("gpu", "GPU-1", "0 H100", {"gpu_temperature": 81})
    reader.update(recorder, time.time())
    assert value(windows, "gpu_temperature", "max", ("gpu", "GPU-1")) == 81
    assert windows.names["gpu", "GPU-1"] == "0 H100"
    recorder.add("gpu", "GPU-1", "0 H100", {"gpu_temperature": 95})
    reader.update(recorder, time.time())
    assert value(windows, "gpu_temperature", "max", ("gpu", "GPU-1")) == 95


def test_rows_of_gateways_count_once():
    windows, own = Windows(), Recorder("monitor")
    reader = SeriesReader(windows)
    reader.keep(60)
    gateways = [Recorder("api"), Recorder("api")]
    for gateway in gateways:
        gateway.add("model", "7", "smol", {"requests": 10, "errors": 1})
        gateway.flush()
    for _ in range(3):
        reader.next_read = 0
        reader.update(own, time.time())
    assert value(windows, "requests", "sum", MODEL) == 20
    gateways[0].add("model", "7", "smol", {"requests": 80})
    gateways[0].flush()
    reader.next_read = 0
    reader.update(own, time.time())
    assert value(windows, "requests", "sum", MODEL) == 100
    assert value(windows, "error_ratio", "avg", MODEL) == 2


def test_own_rows_are_not_counted_twice():
    windows, own = Windows(), Recorder("monitor")
    reader = SeriesReader(windows)
    reader.keep(60)
    own.add("model", "7", "smol", {"requests": 10})
    own.flush()
    reader.update(own, time.time())
    assert value(windows, "requests", "sum", MODEL) == 10


def test_restarted_reader_knows_as_much_as_the_rules_need():
    now = time.time()
    earlier = Recorder("monitor", clock=lambda: now - 600)
    earlier.add("gpu", "GPU-1", "0 H100", {"gpu_temperature": 81})
    earlier.flush()
    windows = Windows()
    reader = SeriesReader(windows)
    reader.keep(300)
    reader.update(None, now)
    gpu = ("gpu", "GPU-1")
    assert value(windows, "gpu_temperature", "max", gpu, window_s=300) is None
    reader.keep(900)
    reader.update(None, now)
    assert value(windows, "gpu_temperature", "max", gpu, window_s=900) == 81


def test_demo_history_fires_nothing():
    recorder = Recorder("monitor")
    recorder.add("gpu", "GPU-1", "0 H100", {"gpu_temperature": 81})
    recorder.flush()
    Source.objects.update(demo=True)
    windows = Windows()
    reader = SeriesReader(windows)
    reader.keep(60)
    reader.update(None, time.time())
    assert windows.buckets == {}
