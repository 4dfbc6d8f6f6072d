import pytest

from runtimes.frameworks.base import Placement
from runtimes.frameworks.vllm.framework import Vllm
from runtimes.frameworks.vllm.memory import use_of
from tests.hf import a_folder

VLLM = Vllm()


@pytest.fixture
def folder(tmp_path):
    return a_folder(tmp_path / "it")


def test_every_setting_counts():
    config = {
        "max_model_len": 512, "max_num_seqs": 3, "max_num_batched_tokens": 64,
        "enforce_eager": True, "extra_args": {"cpu_offload_gb": 0.5},
    }  # fmt: skip
    use = use_of(config, gpu_count=2)
    assert (use.gpus, use.max_model_len, use.max_num_seqs) == (2, 512, 3)
    assert (use.max_num_batched_tokens, use.compiled) == (64, False)
    assert use.offload == 2**29


@pytest.mark.parametrize(
    ("config", "served", "cached"),
    [
        ({}, 2, 2),
        ({"dtype": "auto"}, 2, 2),
        ({"dtype": "half"}, 2, 2),
        ({"dtype": "float32"}, 4, 4),
        ({"kv_cache_dtype": "fp8_e4m3"}, 2, 1),
        ({"kv_cache_dtype": "bfloat16", "dtype": "float"}, 4, 2),
        ({"kv_cache_dtype": "no-such-type"}, 2, 2),
    ],
)
def test_types_of_weights_and_cache(config, served, cached):
    use = use_of(config, gpu_count=1)
    assert (use.served, use.cached) == (served, cached)


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_folder_is_estimated(folder, gpus):
    found = VLLM.memory({"model_name": str(folder)}, gpus)
    share = found.gpu if gpus else found.host
    assert found.n_ctx == 4096
    # 8 layers of 4 heads of 64, keys and values, in 2 bytes, of 16 requests of 2048
    assert (share.weights_mib, share.kv_cache_mib) == (4, 256)


def test_model_of_a_hub_is_not_here():
    found = VLLM.memory({"model_name": "org/it"}, 1)
    assert (found.code, found.params) == ("no_estimate", {"model": "org/it"})


def test_folder_without_an_estimate_gives_the_reason(folder):
    (folder / "model.safetensors").write_bytes(b"")
    assert VLLM.memory({"model_name": str(folder)}, 1).code == "weights_truncated"


def test_cache_on_the_processor_is_what_was_estimated(folder):
    """With the estimated memory, or with none."""
    config = {"model_name": str(folder), "max_num_seqs": 20, "dtype": "float32"}
    host = VLLM.memory(config, 0).host
    assert host.kv_cache_mib == 512
    for mib in (0, host.total_mib):
        placement = Placement(
            port=1, api_key="k", model_name="it", cpu_cores=1, memory_mib=mib
        )
        argv = VLLM.command(config, placement).argv
        assert f"--kv-cache-memory-bytes={512 * 2**20}" in argv
