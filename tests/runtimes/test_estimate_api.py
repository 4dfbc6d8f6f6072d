import pytest

from models_app.enums import RunState
from models_app.models import Activity, ServedModel
from runtimes.demo import packaged_file
from tests.api import a_gguf, codes, operator, send
from tests.builders import a_model, a_run

pytestmark = pytest.mark.django_db

PATH = "/api/models/estimate"
SHARE = {
    *("weights_mib", "kv_cache_mib", "overhead_mib", "prompt_cache_mib", "total_mib"),
}


@pytest.fixture
def config(settings):
    settings.MODEL_ROOTS = [*settings.MODEL_ROOTS, packaged_file().parent]
    return {"model_path": str(packaged_file()), "n_ctx": 4096}


def estimate(path=PATH, **fields):
    return send(operator(), "POST", path, {"framework": "llama.cpp", **fields})


@pytest.mark.parametrize("slash", ["", "/"])
def test_estimate_is_reported_part_by_part(config, slash):
    answer = estimate(PATH + slash, config=config, gpu_count=1)
    assert answer.status_code == 200
    data = answer.json()
    assert set(data) == {
        *("gpu_count", "estimate", "problem", "measured"),
        *("suggested", "defaults", "advice"),
    }
    assert (data["estimate"]["n_ctx"], data["gpu_count"]) == (4096, 1)
    assert set(data["estimate"]["gpu"]) == set(data["estimate"]["host"]) == SHARE
    assert data["estimate"]["gpu"]["kv_cache_mib"] == 360
    assert (data["problem"], data["measured"], data["advice"]) == (None, None, [])
    assert data["suggested"] == {
        "gpu_memory_mib": data["estimate"]["gpu"]["total_mib"],
        "memory_mib": data["estimate"]["host"]["total_mib"],
    }
    assert data["defaults"] == data["suggested"]


def test_nothing_is_saved(config):
    estimate(config=config, name="smol")
    assert ServedModel.objects.count() == Activity.objects.count() == 0


def test_changes_of_a_model_are_estimated_beside_what_its_runs_took(config):
    model = a_model(config=config)
    a_run(model, RunState.READY, memory_peak_mib=5000)
    body = {"framework": "llama.cpp", "id": model.pk}
    client = operator()
    data = send(client, "POST", PATH, body).json()
    assert data["measured"] == {"gpu_memory_mib": None, "memory_mib": 5000, "runs": 1}
    [advice] = data["advice"]
    estimated = data["estimate"]["host"]["total_mib"]
    assert (advice["code"], advice["field"]) == ("use_measured", "memory_mib")
    assert advice["message"] == (
        f"5000 MiB were measured, {estimated} MiB estimated. Use the measured value."
    )
    body["config"] = {**config, "n_ctx": 512}
    assert send(client, "POST", PATH, body).json()["measured"] is None
    model.refresh_from_db()
    assert model.config == config


def test_file_without_an_estimate_gives_the_reason():
    answer = estimate(config={"model_path": a_gguf()})
    data = answer.json()
    assert (answer.status_code, data["estimate"]) == (200, None)
    assert data["problem"]["code"] == "gguf_broken"
    assert data["problem"]["message"].startswith("The header of")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"config": {"model_path": "/etc/passwd"}},
         ("config.model_path", "path_outside_roots")),
        ({"config": {"n_ctx": 5}}, ("config.model_path", "missing_key")),
        ({"config": 5}, ("config", "wrong_type")),
        ({"config": {"model_path": "x" * 300_000}}, ("config", "config_too_large")),
        ({"framework": "no", "config": {}}, ("framework", "unknown_framework")),
        ({"config": {}, "gpu_count": -1}, ("gpu_count", "out_of_range")),
        ({"config": {"extra_args": {}}}, ("config.extra_args", "admin_only")),
        ({"no_such": 1, "config": {}}, ("no_such", "unknown_field")),
    ],
)  # fmt: skip
def test_bad_input_is_named(fields, expected):
    answer = estimate(**fields)
    assert answer.status_code == 400
    assert expected in codes(answer)


@pytest.mark.parametrize(
    ("id", "status"), [(77, 404), (0, 400), ("smol", 400), (2**70, 404)]
)
def test_id_of_no_model(id, status):
    assert estimate(id=id, config={}).status_code == status
