"""Memory of a model that is created without saying how much."""

import pytest

from models_app.models import ServedModel
from runtimes.demo import packaged_file
from tests.api import a_gguf, codes, operator, send
from tests.builders import a_model, a_node

pytestmark = pytest.mark.django_db


@pytest.fixture
def body(settings):
    settings.MODEL_ROOTS = [*settings.MODEL_ROOTS, packaged_file().parent]
    config = {"model_path": str(packaged_file()), "n_ctx": 4096}
    return {"name": "smol", "framework": "llama.cpp", "config": config}


def create(body, client=None, **more):
    return send(client or operator(), "POST", "/api/models", {**body, **more})


@pytest.mark.parametrize("gpu_count", [0, 1])
def test_new_model_gets_what_is_estimated(body, gpu_count):
    client = operator()
    made = create(body, client, gpu_count=gpu_count).json()
    path = "/api/models/estimate"
    response = send(client, "POST", path, {"id": made["id"], "framework": "llama.cpp"})
    suggested = response.json()["suggested"]
    assert made["memory_mib"] == suggested["memory_mib"] > 400
    assert made["gpu_memory_mib"] == (suggested["gpu_memory_mib"] or 0)
    assert bool(made["gpu_memory_mib"]) is bool(gpu_count)


@pytest.mark.parametrize("mib", [0, 77])
def test_given_sizes_win_over_defaults(body, mib):
    made = create(body, gpu_count=1, gpu_memory_mib=mib, memory_mib=mib).json()
    assert (made["gpu_memory_mib"], made["memory_mib"]) == (mib, mib)


def test_file_without_an_estimate_books_nothing(body):
    made = create(body, config={"model_path": a_gguf()}, gpu_count=1).json()
    assert (made["gpu_memory_mib"], made["memory_mib"]) == (0, 0)


def test_what_is_beyond_every_machine_is_refused_unless_forced(body):
    a_node(memory_mib=1324, cpu_cores=64)  # 300 without the reserve
    client = operator()
    assert codes(create(body, client)) == [("memory_mib", "out_of_range")]
    assert create(body, client, force=True).json()["memory_mib"] > 400
    assert create(body, client, name="small", memory_mib=0).status_code == 201


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_changes_of_a_model_leave_its_memory(body, method):
    a_model(config=body["config"], memory_mib=5)
    body["config"]["n_ctx"] = 512
    answer = send(operator(), method, "/api/models/smol", body)
    assert answer.status_code == 200
    assert ServedModel.objects.get().memory_mib == 5
