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


def test_each_gpu_has_a_buffer_as_large_as_its_largest_step():
    one, two = shares(gpus=1)[0], shares(gpus=2)[0]
    # 512 tokens: 6 * 1024 + 2 * 4096 numbers, and 1024 tokens before each
    assert one.overhead_mib == GPU_CONTEXT_MIB + 29
    assert two.overhead_mib == 2 * one.overhead_mib


@pytest.mark.parametrize(
    ("use", "mib"),
    [
        ({"all_outputs": True}, 258),  # 512 tokens of 128 Ki + 1 Ki numbers
        ({"n_parallel": 64}, 33),
        ({"n_parallel": 600}, 258),
    ],
)
def test_output_of_many_tokens_is_the_largest_step(use, mib):
    assert shares(gpus=1, **use)[0].overhead_mib == GPU_CONTEXT_MIB + mib


def model(
    layers, weights, keys, feed_forward, heads, vocabulary, embedding, tied=0, **more
):
    output = tied or embedding * vocabulary * more.pop("bytes", 34) // 32
    layer = Layer(weights=weights, keys=keys, values=keys, windowed=False)
    whole = {"layers": (layer,) * layers, "tied": bool(tied), "window": 0, **more}
    return replace(
        SHAPE,
        **{"input_weights": output, "output_weights": 0 if tied else output, **whole},
        **{"vocabulary": vocabulary, "embedding": embedding, "heads": heads},
        feed_forward=feed_forward,
    )


SMOL = model(30, 2216448, 192, 1536, 9, 49152, 576, tied=30081024)
LLAMA = model(32, 231768064, 1024, 14336, 32, 128256, 4096)
MOE = model(16, 351421440, 512, 6144, 32, 151936, 2048, bytes=18, experts_used=8)
GEMMA_LAYERS = tuple(
    Layer(weights=100313088, keys=1024, values=1024, windowed=at % 6 < 5)
    for at in range(24)
)
GEMMA = replace(
    model(24, 0, 0, 10240, 8, 262144, 2560, tied=713031680),
    layers=GEMMA_LAYERS,
    window=1024,
)


@pytest.mark.parametrize(
    ("shape", "use", "mib"),
    [
        (SMOL, {"n_ctx": 2048, "n_parallel": 4}, 888),
        (SMOL, {"n_ctx": 8192}, 892),
        (SMOL, {"n_ctx": 8192, "flash_attention": False}, 1144),
        (SMOL, {"n_ctx": 2048, "n_parallel": 4, "n_gpu_layers": 10}, 716),
        (SMOL, {"n_ctx": 2048, "n_parallel": 4, "n_gpu_layers": 0}, 646),
        (SMOL, {"n_ctx": 2048, "n_parallel": 4, "cache_on_gpu": False}, 714),
        (SMOL, {"n_ctx": 2048, "n_parallel": 4, "all_outputs": True}, 964),
        (SMOL, {"n_ctx": 2048, "n_parallel": 64}, 3592),
        (LLAMA, {"n_ctx": 2048, "n_parallel": 4}, 9350),
        (LLAMA, {"n_ctx": 32768, "n_parallel": 4}, 24742),
        (LLAMA, {"n_ctx": 131072}, 24834),
        (LLAMA, {"n_ctx": 4096, "n_parallel": 32}, 24714),
        (
            LLAMA,
            {"n_ctx": 32768, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
            10582,
        ),
        (LLAMA, {"n_ctx": 32768, "cache_type_k": "q4_0", "cache_type_v": "q4_0"}, 9558),
        (
            LLAMA,
            {
                "n_ctx": 8192,
                "n_parallel": 4,
                "cache_type_k": "f32",
                "cache_type_v": "f32",
            },
            16578,
        ),
        (LLAMA, {"n_ctx": 8192, "n_parallel": 4, "n_ubatch": 2048}, 12818),
        (LLAMA, {"n_ctx": 8192, "n_parallel": 4, "flash_attention": False}, 13022),
        (LLAMA, {"n_ctx": 2048, "n_parallel": 4, "n_gpu_layers": 16}, 5110),
        (MOE, {"n_ctx": 2048, "n_parallel": 4}, 6570),
        (MOE, {"n_ctx": 32768, "n_parallel": 4}, 10440),
        (MOE, {"n_ctx": 8192, "flash_attention": False}, 7116),
        (GEMMA, {"n_ctx": 2048, "n_parallel": 4}, 4272),
        (GEMMA, {"n_ctx": 32768, "n_parallel": 4}, 6224),
        (GEMMA, {"n_ctx": 32768, "whole_window": True}, 6798),
    ],
)
def test_gpu_memory_is_what_an_h100_was_measured_to_hold_or_a_little_more(
    shape, use, mib
):
    """Peaks of xllamacpp 2026.10 on one H100 80GB, driver 580.159, by NVML."""
    gpu, _ = shares(shape, gpus=1, **use)
    assert mib <= gpu.total_mib <= 1.12 * mib


def test_without_flash_attention_long_contexts_need_buffers():
    gpu, _ = shares(gpus=1, n_ctx=32 * 1024, flash_attention=False)
    assert gpu.overhead_mib - GPU_CONTEXT_MIB > 16 * 32 * 1024 * 512 * 4 / MIB


def test_cache_of_prompts_is_on_the_host():
    _, host = shares(prompt_cache_mib=256)
    assert host.total_mib - shares()[1].total_mib == host.prompt_cache_mib == 256
