import pytest

from models_app.models import Activity
from scheduling.context_sizes import lower_context, smaller_contexts
from scheduling.planner.types import Context
from tests.api import a_gguf
from tests.builders import a_model
from tests.scheduling.files import a_model_file

pytestmark = pytest.mark.django_db


def a_model_with(gpus=0, name="smol", path="", **sizes):
    """Its cache takes 1 MiB per token."""
    config = {"model_path": path or a_model_file(), "n_ctx": 4096, "n_parallel": 1}
    return a_model(name, config=config, gpu_count=gpus, **sizes)


def test_smaller_contexts_reduce_the_declared_sizes():
    assert smaller_contexts(
        a_model_with(gpus=1, gpu_memory_mib=9000, memory_mib=900)
    ) == (
        Context(4096, 9000, 900),
        Context(2048, 6950, 896),
        Context(1024, 5925, 894),
        Context(512, 5412, 893),
    )


def test_smaller_contexts_reduce_memory_without_gpus():
    found = smaller_contexts(a_model_with(memory_mib=9000))
    assert found[:2] == (Context(4096, 0, 9000), Context(2048, 0, 6946))


@pytest.mark.parametrize("declared", [{}, {"memory_mib": 1024}])
def test_undeclared_or_small_sizes_are_not_reduced(declared):
    contexts = smaller_contexts(a_model_with(**declared))
    assert {context.memory_mib for context in contexts} <= {0, *declared.values()}


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "/etc/passwd"},
        {"path": a_gguf},
        {"name": "other", "framework": "vllm"},
    ],
)
def test_model_without_an_estimate_has_no_smaller_contexts(fields):
    path = fields.pop("path", "")
    assert (
        smaller_contexts(
            a_model_with(path=path() if callable(path) else path, **fields)
        )
        == ()
    )


def test_lower_context_updates_config_and_sizes():
    model = a_model_with(gpus=1, gpu_memory_mib=9000, memory_mib=900)
    lower_context(model, 1024)
    assert model.config["n_ctx"] == 1024
    assert (model.gpu_memory_mib, model.memory_mib) == (5925, 894)
    assert Activity.objects.get(code="model_updated").params == {
        "fields": ["config", "gpu_memory_mib", "memory_mib"]
    }


@pytest.mark.parametrize("to", [1, 256, 1000, 4096, 8192])
def test_lower_context_ignores_sizes_that_are_not_offered(to):
    model = a_model_with(memory_mib=9000)
    lower_context(model, to)
    assert model.config["n_ctx"] == 4096
    assert not Activity.objects.exists()
