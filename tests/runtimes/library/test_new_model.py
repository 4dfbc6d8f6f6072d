import pytest

from models_app.validation import problems
from runtimes.library.cache import cached_scan
from runtimes.library.new_model import new_model
from tests import builders
from tests.runtimes.installations.test_discovery import make
from tests.runtimes.library.folders import CONFIG, a_folder, a_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def engines(settings, tmp_path):
    """The platform's own, and vLLM for GPUs."""
    settings.ENGINES_DIR, settings.ENGINES_PATH = tmp_path / "engines", ""
    make(tmp_path, "vllm", "vllm-0.32.0")


def added(entry=0):
    fields = new_model(cached_scan(refresh=True).result.entries[entry])
    assert [*problems(fields, instance=None)] == []
    return fields


def test_fields_of_a_gguf_file(root):
    path = a_model(root / "Tiny 1B.Q4_K_M.gguf")
    entry = cached_scan().result.entries[0]
    assert added() == {
        "name": "tiny-1b.q4_k_m",
        "display_name": "Tiny 1B.Q4_K_M",
        "framework": "llama.cpp",
        "driver": "process",
        "config": {"model_path": str(path), "n_ctx": 2048},
        "gpu_count": 0,
        "gpu_memory_mib": 0,
        "memory_mib": entry.memory_mib,
    }


def test_name_is_not_that_of_another_model(root):
    a_model(root / "smol.gguf")
    builders.a_model("smol")
    assert added()["name"] == "smol-2"


def test_title_is_cut(root):
    a_model(root / f"{'long ' * 48}.gguf")
    assert len(added()["display_name"]) == 200


@pytest.mark.usefixtures("engines")
def test_folder_is_placed_on_a_gpu(root):
    a_folder(root / "Tiny")
    builders.a_node(gpus=[24_000, 24_000])
    fields = added()
    assert (fields["framework"], fields["gpu_count"]) == ("vllm", 1)
    assert 0 < fields["gpu_memory_mib"] < 24_000


@pytest.mark.usefixtures("engines")
def test_engine_without_gpus_is_given_none(root):
    """The platform's own build of llama.cpp is one for processors."""
    a_model(root / "tiny.gguf")
    builders.a_node(gpus=[24_000])
    assert added()["gpu_count"] == 0


@pytest.mark.usefixtures("engines")
def test_build_for_gpus_is_named_where_there_is_one(root, tmp_path):
    path = a_model(root / "tiny.gguf")
    library = "llama_cpp/lib/libggml-cuda.so"
    make(tmp_path, "llama-cpp-python", "llama_cpp_python-0.3.36", library)
    builders.a_node(gpus=[24_000])
    fields = added()
    assert (fields["gpu_count"], fields["config"]["engine"]) == (1, "llama-cpp-python")
    assert fields["config"]["model_path"] == str(path)
    assert fields["gpu_memory_mib"] > 0


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize(
    ("gpus", "share", "heads", "count"),
    [
        (2, 1.0, 4, 1),
        (2, 0.9, 4, 2),
        (2, 0.9, 3, 0),  # which two GPUs cannot share
        (1, 0.9, 4, 0),
        (3, 0.3, 4, 0),
    ],
)
def test_as_few_gpus_as_have_room(root, settings, gpus, share, heads, count):
    wide = {
        **CONFIG,
        "hidden_size": 256 * heads,
        "num_hidden_layers": 64,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
    }
    a_folder(root / "Tiny", wide)
    [entry] = cached_scan().result.entries
    mib = int(entry.gpu_memory_mib * share) + settings.GPU_RESERVE_MIB
    builders.a_node(gpus=[mib] * gpus)
    assert new_model(entry)["gpu_count"] == count


@pytest.mark.usefixtures("engines")
def test_gpus_out_of_service_do_not_count(root):
    a_folder(root / "Tiny")
    builders.a_node(gpus=[24_000]).gpus.update(mode="excluded")
    assert new_model(cached_scan().result.entries[0])["gpu_count"] == 0
