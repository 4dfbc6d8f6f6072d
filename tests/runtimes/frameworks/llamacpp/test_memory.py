from dataclasses import fields

import pytest

from common.problems import Problem
from runtimes.demo import packaged_file
from runtimes.frameworks.llamacpp.estimate import CACHE_BYTES, Use
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.llamacpp.memory import use_of
from runtimes.frameworks.llamacpp.options import CACHE_TYPES

LLAMA = LlamaCpp()


def test_empty_config_means_the_defaults_of_a_start():
    use = use_of({"model_path": "/m.gguf"}, gpu_count=2)
    assert (use.n_ctx, use.n_parallel, use.n_gpu_layers, use.gpus) == (2048, 4, -1, 2)
    assert use.prompt_cache_mib == 256
    assert use.flash_attention


def test_every_setting_counts():
    config = {
        "n_ctx": 512, "n_parallel": 3, "n_gpu_layers": 7, "n_batch": 64,
        "embedding": True,
        "extra_args": {
            "cache_type_k": "q8_0", "cache_type_v": "q4_0", "flash_attn_type": "off",
            "swa_full": True, "no_kv_offload": True, "cache_ram_mib": 0,
        },
    }  # fmt: skip
    use, plain = use_of(config, gpu_count=1), Use(n_ctx=0, n_parallel=0)
    same = [
        f.name for f in fields(Use) if getattr(use, f.name) == getattr(plain, f.name)
    ]
    assert same == ["prompt_cache_mib", "process_mib"]
    assert use.n_ubatch == 64


def test_python_binding_serves_one_request_and_keeps_no_prompts():
    use = use_of({"model_path": "/m.gguf", "engine": "llama-cpp-python"}, gpu_count=0)
    assert (use.n_parallel, use.prompt_cache_mib) == (1, 0)
    assert not use.flash_attention
    assert use.all_outputs
    assert use.process_mib > Use(n_ctx=1, n_parallel=1).process_mib


def test_cache_types_are_the_ones_of_the_config():
    assert CACHE_BYTES.keys() == CACHE_TYPES.keys()


@pytest.mark.parametrize("gpus", [0, 1])
def test_estimate_of_a_real_model(gpus):
    found = LLAMA.memory({"model_path": str(packaged_file()), "n_ctx": 4096}, gpus)
    assert found.n_ctx == 4096
    # 30 layers of 3 heads of 64, in f16, for 4 requests
    on_gpu, on_host = found.gpu.kv_cache_mib, found.host.kv_cache_mib
    assert (on_gpu, on_host) == ((360, 0) if gpus else (0, 360))


def test_file_without_an_estimate_gives_the_reason(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    found = LLAMA.memory({"model_path": str(tmp_path / "m.gguf")}, 0)
    assert isinstance(found, Problem)
    assert found.code == "gguf_truncated"
