import pytest
from django.utils.translation import override

from common.messages import render
from runtimes.machine.limits import problems
from runtimes.models import Gpu
from tests.builders import a_node

pytestmark = pytest.mark.django_db

FITS = {
    "framework": "llama.cpp",
    "driver": "process",
    "config": {"n_threads": 1},
    "gpu_count": 0,
    "gpu_memory_mib": 0,
    "pinned_gpus": [],
    "cpu_cores": None,
    "memory_mib": 0,
}


@pytest.mark.parametrize(
    ("fields", "field", "limit"),
    [
        ({"cpu_cores": 9}, "cpu_cores", 8),
        ({"config": {"n_threads": 9}}, "config.n_threads", 8),
        ({"memory_mib": 62_977}, "memory_mib", 62_976),
        ({"gpu_count": 3}, "gpu_count", 2),
        ({"gpu_count": 1, "gpu_memory_mib": 23_745}, "gpu_memory_mib", 23_744),
        ({"gpu_count": 2, "gpu_memory_mib": 47_489}, "gpu_memory_mib", 47_488),
    ],
)
def test_limit_is_what_the_planner_can_place(fields, field, limit):
    a_node(gpus=[16_000, 24_000])
    [problem] = problems({**FITS, **fields})
    assert (problem.code, problem.field) == ("out_of_range", field)
    assert problem.params["max"] == limit


@pytest.mark.parametrize(
    "fields",
    [
        {"cpu_cores": 8, "memory_mib": 62_976},
        {"cpu_cores": 1, "config": {"n_threads": 9}},
        {"gpu_count": 2, "gpu_memory_mib": 47_488},
        {"gpu_count": 1, "pinned_gpus": ["GPU-here-1"]},
    ],
)
def test_problems_are_none_where_some_machine_is_large_enough(fields):
    a_node(gpus=[16_000, 24_000])
    assert list(problems({**FITS, **fields})) == []


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "gpu_count must be 0, not 1: no machine here has a GPU."),
        ("zh-hans", "gpu_count 必须为 0，而不是 1：这里没有任何机器配备GPU。"),
    ],
)
def test_gpu_count_without_any_gpu_reports_that_there_is_none(language, message):
    a_node()
    [problem] = problems({**FITS, "gpu_count": 1})
    with override(language):
        assert render(problem.code, problem.params) == message


def test_problems_name_a_gpu_that_is_not_there():
    a_node(gpus=[24_000, 24_000])
    Gpu.objects.filter(index=1).update(present=False)
    [problem] = problems({**FITS, "gpu_count": 1, "pinned_gpus": ["GPU-here-1"]})
    assert (problem.code, problem.params["allowed"]) == ("unknown_gpu", ["GPU-here-0"])


def test_problems_are_none_while_no_machine_is_known():
    assert list(problems({**FITS, "cpu_cores": 1000})) == []
