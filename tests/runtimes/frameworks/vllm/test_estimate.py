from dataclasses import replace

import pytest

from runtimes.frameworks.vllm.estimate import (
    GPU_CONTEXT_MIB,
    LEAST_CPU_CACHE_MIB,
    Use,
    estimate,
)
from runtimes.frameworks.vllm.folder import FolderShape

MIB = 2**20
# 1 MiB of cache for each 128 tokens of a layer, in 2 bytes
SHAPE = FolderShape(
    weights={"BF16": 800 * MIB}, whole=4, windowed=0, window=0, token=1024, kv_heads=4,
    latent=False, context=128 * 1024, vocabulary=32_000, embedding=1024,
    feed_forward=4096,
)  # fmt: skip
USE = Use(gpus=1, max_num_seqs=1)


def cache(shape=SHAPE, **use):
    return estimate(shape, replace(USE, **use)).gpu.kv_cache_mib


@pytest.mark.parametrize(
    ("use", "mib"),
    [
        # The longest request, and a block that the engine keeps
        ({"max_model_len": 32 * 1024}, 4 * 257),
        ({"max_model_len": 32 * 1024, "cached": 1}, 2 * 257),
        ({"max_model_len": 1}, 4 * 2),
        ({}, 4 * 1025),
        # Several requests of usual length
        ({"max_model_len": 2048, "max_num_seqs": 4}, 4 * 64),
        ({"max_model_len": 2048, "max_num_seqs": 16}, 4 * 256),
        ({"max_model_len": 2048, "max_num_seqs": 0}, 4 * 256),
        ({"max_model_len": 2048, "max_num_seqs": 4096}, 4 * 256),
        ({"max_model_len": 512, "max_num_seqs": 4}, 4 * 16),
        ({"max_model_len": 32 * 1024, "max_num_seqs": 256}, 4 * 257),
    ],
)
def test_cache_holds_the_longest_request_or_several_usual_ones(use, mib):
    assert cache(**use) == mib


def test_windows_take_less():
    shape = replace(SHAPE, whole=2, windowed=2, window=1024)
    use = {"max_model_len": 32 * 1024, "max_num_batched_tokens": 1024}
    assert cache(shape, **use) == 2 * 257 + 2 * 17


@pytest.mark.parametrize(
    ("gpus", "heads", "times"),
    [(2, 4, 1), (4, 4, 1), (8, 4, 2), (8, 1, 8), (3, 4, 1.5)],
)
def test_heads_are_shared_among_gpus_down_to_one_each(gpus, heads, times):
    shape, use = replace(SHAPE, kv_heads=heads), {"max_model_len": 32 * 1024}
    assert cache(shape, gpus=gpus, **use) == times * cache(shape, **use)


def test_what_is_latent_is_on_each_gpu():
    shape = replace(SHAPE, kv_heads=1, latent=True)
    assert cache(shape, gpus=4) == 4 * cache(shape)


def test_weights_are_shared_and_the_rest_is_not():
    one, four = (estimate(SHAPE, replace(USE, gpus=gpus)) for gpus in (1, 4))
    assert one.gpu.weights_mib == four.gpu.weights_mib == 800
    assert four.gpu.overhead_mib > 4 * GPU_CONTEXT_MIB
    assert one.host.weights_mib == one.host.kv_cache_mib == 0
    assert four.host.overhead_mib > one.host.overhead_mib


@pytest.mark.parametrize(("gib", "on_gpus", "on_host"), [(0.25, 288, 512), (9, 0, 800)])
def test_weights_may_stay_on_the_host(gib, on_gpus, on_host):
    found = estimate(SHAPE, replace(USE, gpus=2, offload=int(gib * 2**30)))
    assert (found.gpu.weights_mib, found.host.weights_mib) == (on_gpus, on_host)


def test_larger_steps_and_recorded_graphs_take_more():
    def overhead(**use):
        return estimate(SHAPE, replace(USE, **use)).gpu.overhead_mib

    assert overhead(max_num_batched_tokens=16384) > overhead()
    assert overhead(max_num_seqs=1024) > overhead(max_num_seqs=256) > overhead()
    assert overhead(compiled=False) < overhead()


def test_float32_is_served_in_two_bytes_unless_requested():
    shape = replace(SHAPE, weights={"F32": 800 * MIB})
    assert estimate(shape, USE).gpu.weights_mib == 400
    assert estimate(shape, replace(USE, served=4)).gpu.weights_mib == 800


def test_processor_has_everything_on_the_host():
    found = estimate(SHAPE, replace(USE, gpus=0, max_model_len=32 * 1024))
    assert found.gpu.total_mib == 0
    assert (found.host.weights_mib, found.host.kv_cache_mib) == (800, 4 * 257)
    small = estimate(SHAPE, replace(USE, gpus=0, max_model_len=512))
    assert small.host.kv_cache_mib == LEAST_CPU_CACHE_MIB
