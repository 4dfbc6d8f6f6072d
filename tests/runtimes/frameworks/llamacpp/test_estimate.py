from dataclasses import replace

import pytest

from runtimes.frameworks.llamacpp.estimate import GPU_CONTEXT_MIB, MIB, Use, estimate
from runtimes.frameworks.llamacpp.shape import Layer, Shape

# 1 MiB of cache for each 1024 tokens of a layer, in f16
LAYER = Layer(weights=100 * MIB, keys=256, values=256, windowed=False)
WINDOWED = replace(LAYER, windowed=True)
SHAPE = Shape(
    architecture="llama", quantisation="Q8_0", parameters=0, experts=0, experts_used=0,
    context=8192, vocabulary=128 * 1024, embedding=1024, feed_forward=4096, heads=16,
    window=512, layers=(LAYER,) * 4, input_weights=50 * MIB, output_weights=60 * MIB,
    tied=False,
)  # fmt: skip
USE = Use(n_ctx=1024, n_parallel=1)


def shares(shape=SHAPE, **use):
    found = estimate(shape, replace(USE, **use))
    return found.gpu, found.host


@pytest.mark.parametrize(
    ("use", "mib"),
    [
        ({}, 4),
        ({"n_ctx": 8192}, 32),
        ({"n_ctx": 8192, "n_parallel": 4}, 128),
        ({"n_ctx": 1}, 1),
        ({"n_ctx": 8192, "cache_type_k": "q8_0"}, 25),
        ({"n_ctx": 8192, "cache_type_k": "q8_0", "cache_type_v": "q8_0"}, 17),
        ({"n_ctx": 8192, "cache_type_k": "q4_0", "cache_type_v": "q4_0"}, 9),
        ({"n_ctx": 8192, "cache_type_v": "f32"}, 48),
    ],
)
def test_cache_grows_with_requests_and_their_context(use, mib):
    gpu, host = shares(**use)
    assert (gpu.total_mib, host.weights_mib, host.kv_cache_mib) == (0, 510, mib)


@pytest.mark.parametrize(
    ("use", "mib"), [({}, 18), ({"whole_window": True}, 32), ({"n_ctx": 512}, 2)]
)
def test_windows_take_less(use, mib):
    shape = replace(SHAPE, layers=(WINDOWED, LAYER) * 2)
    assert shares(shape, **{"n_ctx": 8192, **use})[1].kv_cache_mib == mib


@pytest.mark.parametrize(
    ("layers", "on_gpu", "on_host"),
    [
        (-1, (460, 4), (50, 0)),
        (99, (460, 4), (50, 0)),
        (5, (460, 4), (50, 0)),
        (4, (360, 3), (150, 1)),
        (1, (60, 0), (450, 4)),
        (0, (0, 0), (510, 4)),
    ],
)
def test_output_and_last_layers_move_to_the_gpu_first(layers, on_gpu, on_host):
    gpu, host = shares(gpus=1, n_gpu_layers=layers)
    assert (gpu.weights_mib, gpu.kv_cache_mib) == on_gpu
    assert (host.weights_mib, host.kv_cache_mib) == on_host


def test_tied_weights_are_on_both():
    gpu, host = shares(replace(SHAPE, tied=True, output_weights=0), gpus=1)
    assert (gpu.weights_mib, host.weights_mib) == (450, 50)


def test_cache_can_stay_on_the_host():
    gpu, host = shares(gpus=1, cache_on_gpu=False)
    assert (gpu.weights_mib, gpu.kv_cache_mib, host.kv_cache_mib) == (460, 0, 4)


def test_each_gpu_has_a_buffer_as_large_as_the_output():
    one, two = shares(gpus=1)[0], shares(gpus=2)[0]
    # 512 tokens of 128 Ki + 1 Ki numbers
    assert one.overhead_mib == GPU_CONTEXT_MIB + 258
    assert two.overhead_mib == 2 * one.overhead_mib


def test_without_flash_attention_long_contexts_need_buffers():
    gpu, _ = shares(gpus=1, n_ctx=32 * 1024, flash_attention=False)
    assert gpu.overhead_mib - GPU_CONTEXT_MIB > 16 * 32 * 1024 * 512 * 4 / MIB


def test_cache_of_prompts_is_on_the_host():
    _, host = shares(prompt_cache_mib=256)
    assert host.total_mib - shares()[1].total_mib == host.prompt_cache_mib == 256
