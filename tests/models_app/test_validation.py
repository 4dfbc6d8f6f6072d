import pytest

from models_app.validation import problems
from tests.api import a_body, a_gguf
from tests.builders import a_model, a_node, a_user

pytestmark = pytest.mark.django_db


def found(fields, instance=None, actor=None):
    return [(p.field, p.code) for p in problems(fields, instance=instance, actor=actor)]


def test_a_good_model_has_no_problems():
    assert found(a_body()) == []


def test_all_problems_are_reported_at_once():
    a_model("taken")
    fields = a_body("taken", driver="rocket", gpu_memory_mib=1, config={"n_ctx": 0})
    assert found(fields) == [
        ("name", "duplicate_name"),
        ("driver", "unknown_driver"),
        ("gpu_memory_mib", "gpu_memory_without_gpus"),
        ("config.n_ctx", "out_of_range"),
        ("config.model_path", "missing_key"),
    ]


def test_fields_that_a_form_could_not_read_are_left_to_the_form():
    assert found({"name": "new"}) == []


def test_what_stays_is_not_checked_again():
    model = a_model(framework="gone", driver="gone", config={"model_path": "/gone"})
    same = {
        "name": model.name,
        "framework": "gone",
        "driver": "gone",
        "config": {"model_path": "/gone"},
    }
    assert found({"priority": 1}, model) == []
    assert found({**same, "description": "new"}, model) == []


def test_a_new_framework_must_take_the_config():
    model = a_model(framework="gone", config={"model_path": "/etc/passwd"})
    assert found({"framework": "llama.cpp"}, model) == [
        ("config.model_path", "path_outside_roots")
    ]


@pytest.mark.parametrize(
    ("before", "change", "wrong"),
    [
        ((0, 0), {"gpu_memory_mib": 5}, True),
        ((1, 5), {"gpu_count": 0}, True),
        ((1, 5), {"gpu_count": 0, "gpu_memory_mib": 0}, False),
        ((0, 0), {"gpu_count": 1, "gpu_memory_mib": 5}, False),
        ((1, 0), {"gpu_memory_mib": 5}, False),
    ],
)
def test_gpu_memory_needs_gpus(before, change, wrong):
    model = a_model(gpu_count=before[0], gpu_memory_mib=before[1])
    expected = [("gpu_memory_mib", "gpu_memory_without_gpus")] if wrong else []
    assert found(change, model) == expected


@pytest.mark.parametrize("group", ["operator", "admin"])
def test_operators_may_keep_what_an_administrator_set(group):
    tuned = {"extra_args": {"swa_full": True}}
    path = {"model_path": a_gguf()}
    model = a_model(config={**path, **tuned})
    actor = a_user(group)
    refused = [] if group == "admin" else [("config.extra_args", "admin_only")]
    longer = {**path, "n_ctx": 4096}
    assert found({"config": {**longer, **tuned}}, model, actor) == []
    assert found({"config": longer}, model, actor) == []
    changed = {"extra_args": {"swa_full": False}}
    assert found({"config": {**longer, **changed}}, model, actor) == refused


def test_without_an_actor_nobody_is_an_administrator():
    config = {"model_path": a_gguf(), "extra_args": {"swa_full": True}}
    assert found(a_body(config=config)) == [("config.extra_args", "admin_only")]


def test_size_of_a_model_whose_framework_is_gone_can_be_changed():
    a_node()
    model = a_model(framework="gone")
    assert found({"memory_mib": 5}, instance=model) == []
