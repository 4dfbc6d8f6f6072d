"""History with all that is awkward: gaps, what was not told, and names of anybody's."""

import time

from monitoring.history.params import HistoryQuery
from monitoring.history.query import run_query
from monitoring.models import Bucket1m, Bucket10s
from tests.monitoring.history.rows import a_bucket, a_source

NOW = int(time.time()) // 3600 * 3600
START, END = NOW - 3600, NOW - 3000
METRICS = ["cpu_utilization", "gpu_power", "gpu_temperature", "requests"]
METRICS += ["response_time"]
NAMES = ["=1+1", "机器一", "@SUM(A1)", "-2+3", "'quoted", "#N/A", "＝1", 'a,"b"\nc']


def a_history() -> None:
    for number, name in enumerate(NAMES):
        _a_model(str(number), name)
    gpu = a_source(
        "gpu", "GPU-1", name="0 H200", metrics=["gpu_power", "gpu_temperature"]
    )
    for start in range(START, END, 10):
        if start % 50 == 0:
            continue  # a gap
        values = {"gpu_power": [100.5, 300.25, 4000.75, 10]}
        if start % 30 == 0:
            values["gpu_temperature"] = [40, 41, 405, 10]
        a_bucket(Bucket10s, gpu, start, values)
    host = a_source("host", "here", name="机器一", metrics=["cpu_utilization"])
    for writer in ("one", "two"):
        a_bucket(Bucket10s, host, START, {"cpu_utilization": [1, 2, 3, 2]}, writer)
    a_bucket(Bucket1m, host, START, {"cpu_utilization": [1, 2, 6, 4]})


def _a_model(key: str, name: str) -> None:
    source = a_source("model", key, name=name, metrics=["requests", "response_time"])
    for start in (START, START + 10, START + 40):
        values = {
            "requests": [0, 3, 7, 10],
            "response_time": {"sum": 0.0, "counts": {}},
        }
        if start != START:
            values["response_time"] = {"sum": 1.5, "counts": {"10": 3, "12": 4}}
        a_bucket(Bucket10s, source, start, values)


def a_query(**fields) -> HistoryQuery:
    defaults = {"start": START, "end": END, "metrics": METRICS, "step": 10}
    return HistoryQuery(**{**defaults, **fields})


def answered(query: HistoryQuery) -> dict:
    """What the query knows: (value, min, max) by kind, name, metric and time."""
    answer = run_query(query)
    return {
        (s["source"]["kind"], s["source"]["name"], s["metric"], mark): (
            value,
            s["min"][n] if "min" in s else None,
            s["max"][n] if "max" in s else None,
        )
        for s in answer.series
        for n, (mark, value) in enumerate(zip(answer.times, s["values"], strict=True))
        if value is not None
    }
