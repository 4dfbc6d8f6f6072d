import pytest

from common.exceptions import Invalid
from models_app.enums import RunState
from models_app.models import ServedModel
from runtimes import sizing
from runtimes.demo import packaged_file
from tests.api import a_gguf
from tests.builders import a_model, a_run
from tests.environment import DATA_DIR
from tests.hf import a_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def real(settings):
    """The config of a model whose estimate is known."""
    settings.MODEL_ROOTS = [packaged_file().parent]
    return {"model_path": str(packaged_file()), "n_ctx": 4096}


def a_measured_run(model, gpu=None, host=None, **fields):
    peaks = {"gpu_peak_mib": gpu, "memory_peak_mib": host}
    return a_run(
        model, RunState.ENDED, ready_at=model.created_at, **{**peaks, **fields}
    )


def test_estimate_of_a_model_that_is_not_saved(real):
    found = sizing.sizing(ServedModel(config=real))
    assert found.estimate.n_ctx == 4096
    assert found.estimate.host.kv_cache_mib == 360
    assert (found.measured, found.problem, found.advice) == (None, None, ())
    assert found.suggested == sizing.Sizes(
        gpu_memory_mib=None, memory_mib=found.estimate.host.total_mib
    )


def test_measured_is_the_most_of_any_run(real):
    model = a_model(config=real, gpu_count=2)
    gpus = {"gpu_uuids": ["GPU-a", "GPU-b"]}
    for gpu, host in ((5000, None), (5600, 700), (None, 900)):
        a_measured_run(model, gpu, host, **gpus)
    a_measured_run(model, 9999, 9999, gpu_uuids=["GPU-a"])
    a_run(model, RunState.ENDED, gpu_peak_mib=9999, **gpus)  # never served
    found = sizing.sizing(model)
    assert found.measured == sizing.Measured(
        gpu_memory_mib=5600, memory_mib=900, runs=3
    )
    assert found.suggested.gpu_memory_mib == 5600


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"temperature": 0.2, "n_threads": 3}, True),
        ({"n_ctx": 8192}, False),
        ({"extra_args": {"cache_type_k": "q8_0"}}, False),
        ({"engine": "llama-server"}, False),
    ],
)
def test_only_runs_of_the_same_shape_count(real, change, counts):
    model = a_model(config=real)
    a_measured_run(model, None, 700, config={**real, **change})
    assert bool(sizing.sizing(model).measured) is counts


@pytest.mark.parametrize("field", ["driver", "framework"])
def test_runs_elsewhere_do_not_count(real, field):
    model = a_model(config=real)
    a_measured_run(model, None, 700, **{field: "other"})
    assert sizing.sizing(model).measured is None


@pytest.mark.parametrize(
    ("more", "codes"), [(-100, []), (0, []), (5, []), (100, ["use_measured"])]
)
def test_more_than_was_estimated_is_advised(real, more, codes):
    model = a_model(config=real)
    expected = sizing.sizing(model).estimate.host.total_mib
    a_measured_run(model, None, expected + more)
    found = sizing.sizing(model)
    assert [problem.code for problem in found.advice] == codes
    assert found.suggested.memory_mib == expected + max(more, 0)


def test_file_without_an_estimate_is_no_error_and_what_was_measured_counts():
    model = a_model(config={"model_path": a_gguf()})
    assert sizing.sizing(model).problem.code == "gguf_broken"
    assert sizing.sizing(model).suggested == sizing.Sizes(
        gpu_memory_mib=None, memory_mib=None
    )
    a_measured_run(model, None, 700)
    assert sizing.sizing(model).suggested.memory_mib == 700


def test_peaks_of_a_framework_that_fills_its_memory_are_ignored(settings):
    folder = a_folder(DATA_DIR / "models" / "vllm-sized")
    config = {"model_name": str(folder)}
    model = a_model(framework="vllm", config=config, gpu_count=1, gpu_memory_mib=40_000)
    a_measured_run(model, 40_000, 3000, gpu_uuids=["GPU-a"])
    found = sizing.sizing(model)
    assert found.measured.gpu_memory_mib == 40_000
    assert found.suggested.gpu_memory_mib == found.estimate.gpu.total_mib
    assert found.advice == ()


def test_config_with_problems_has_no_size(real):
    with pytest.raises(Invalid) as caught:
        sizing.sizing(ServedModel(config={**real, "n_ctx": 0}))
    assert [problem.code for problem in caught.value.problems] == ["out_of_range"]


@pytest.mark.parametrize("gpu_count", [0, 1])
def test_defaults_are_what_is_estimated(real, gpu_count):
    fields = {"framework": "llama.cpp", "config": real, "gpu_count": gpu_count}
    found = sizing.sizing(ServedModel(config=real, gpu_count=gpu_count)).estimate
    expected = {"memory_mib": found.host.total_mib}
    expected |= {"gpu_memory_mib": found.gpu.total_mib} if gpu_count else {}
    assert sizing.defaults(fields) == expected


def test_there_are_no_defaults_without_an_estimate():
    fields = {"framework": "llama.cpp", "config": {"model_path": a_gguf()}}
    assert sizing.defaults(fields) == {}


def test_requested_share_of_a_gpu_is_not_bounded_by_a_default():
    folder = a_folder(DATA_DIR / "models" / "vllm-share")
    config = {"model_name": str(folder), "gpu_memory_utilization": 0.9}
    fields = {"framework": "vllm", "config": config, "gpu_count": 1}
    assert list(sizing.defaults(fields)) == ["memory_mib"]
    del config["gpu_memory_utilization"]
    assert list(sizing.defaults(fields)) == ["memory_mib", "gpu_memory_mib"]


def test_sizes_beyond_all_machines_are_no_defaults():
    many = {"num_key_value_heads": 4096, "num_hidden_layers": 4096}
    folder = a_folder(DATA_DIR / "models" / "vllm-huge", **many)
    config = {"max_model_len": 10_000_000, "model_name": str(folder)}
    assert sizing.defaults({"framework": "vllm", "config": config}) == {}
