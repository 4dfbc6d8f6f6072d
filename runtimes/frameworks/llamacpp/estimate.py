"""How much memory a llama.cpp model takes, on its GPUs and on the host.

Right to a few per cent for the engine as the platform starts it. Left out: adapters,
image encoders, states of recurrent layers (small), and weights that the engine copies
to arrange them for the processor, whose originals the kernel may then drop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runtimes.frameworks.base import Estimate, Share
from runtimes.frameworks.llamacpp.shape import Layer, Shape

MIB = 2**20
# Bytes of an element of the cache. Quantised: a block of 32 and its scales.
CACHE_BYTES = {
    "f32": 4, "f16": 2, "bf16": 2, "q8_0": 34 / 32, "q4_0": 18 / 32, "q4_1": 20 / 32,
    "iq4_nl": 18 / 32, "q5_0": 22 / 32, "q5_1": 24 / 32,
}  # fmt: skip
CELLS = 256  # the engine rounds caches up to this
# The engine without a model, as its own server and as that of its Python binding, and
# what it keeps of each token of the vocabulary.
PROCESS_MIB = 36
PYTHON_MIB = 85
TOKEN_BYTES = 320
# What a process takes by itself, on each GPU and on the host. On the GPU, as much as on
# an H100 (driver 580, CUDA 13) at its first requests; smaller ones take less.
GPU_CONTEXT_MIB = 670
GPU_PROCESS_MIB = 250
# On each GPU, measured there: of a cache that is converted before it is used, and of
# attention in steps.
CONVERSION_MIB = 60
ATTENTION_MIB = 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """n_ctx: tokens of one request. n_gpu_layers: -1 is all. gpus: how many it has.
    cache_on_gpu: of the layers that are there. all_outputs: the engine reserves room
    for the output of each token that it reads, not of the last one of each request."""

    n_ctx: int
    n_parallel: int
    n_gpu_layers: int = -1
    gpus: int = 0
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    n_ubatch: int = 512
    flash_attention: bool = True
    whole_window: bool = False
    cache_on_gpu: bool = True
    all_outputs: bool = False
    prompt_cache_mib: int = 0
    process_mib: int = PROCESS_MIB


def estimate(shape: Shape, use: Use) -> Estimate:
    on_host, on_gpu, output_on_gpu = _split(shape.layers, use)
    cached_on_gpu = on_gpu if use.cache_on_gpu else ()
    cached_on_host = on_host if use.cache_on_gpu else shape.layers
    return Estimate(
        n_ctx=use.n_ctx,
        gpu=Share(
            weights_mib=_mib(
                sum(layer.weights for layer in on_gpu)
                + (_output_weights(shape) if output_on_gpu else 0)
            ),
            kv_cache_mib=_mib(_cache_bytes(shape, use, cached_on_gpu)),
            overhead_mib=_gpu_overhead_mib(shape, use, on_host),
        ),
        host=Share(
            weights_mib=_mib(
                sum(layer.weights for layer in on_host)
                + shape.input_weights
                + (0 if output_on_gpu else shape.output_weights)
            ),
            kv_cache_mib=_mib(_cache_bytes(shape, use, cached_on_host)),
            overhead_mib=_host_overhead_mib(shape, use),
            prompt_cache_mib=use.prompt_cache_mib,
        ),
    )


def _split(
    layers: tuple[Layer, ...], use: Use
) -> tuple[tuple[Layer, ...], tuple[Layer, ...], bool]:
    """The engine moves the output first, then layers from the last to the first."""
    most = len(layers) + 1
    requested = most if use.n_gpu_layers < 0 else min(use.n_gpu_layers, most)
    moved = requested if use.gpus else 0
    first = min(most - moved, len(layers))
    return layers[:first], layers[first:], moved > 0


def _output_weights(shape: Shape) -> int:
    return shape.output_weights + (shape.input_weights if shape.tied else 0)


def _cache_bytes(shape: Shape, use: Use, layers: Iterable[Layer]) -> float:
    k_bytes, v_bytes = CACHE_BYTES[use.cache_type_k], CACHE_BYTES[use.cache_type_v]
    return sum(
        (layer.keys * k_bytes + layer.values * v_bytes)
        * _cells(shape, use, layer)
        * use.n_parallel
        for layer in layers
    )


def _cells(shape: Shape, use: Use, layer: Layer) -> int:
    """Of one request: a window needs room for the batch that is being read, too."""
    cells = use.n_ctx
    if layer.windowed and not use.whole_window:
        cells = min(cells, shape.window + use.n_ubatch)
    return -(-cells // CELLS) * CELLS


def _gpu_overhead_mib(shape: Shape, use: Use, on_host: Iterable[Layer]) -> int:
    """Each GPU holds a whole buffer for computing, as large as its largest step: the
    output, or what comes before it. It also computes with weights that stay on the
    host, of which it holds a copy of the largest at a time, a third of a layer."""
    if not use.gpus:
        return 0
    outputs = use.n_ubatch if use.all_outputs else min(use.n_parallel, use.n_ubatch)
    output = 4 * (shape.vocabulary + shape.embedding) * outputs
    step = max(output, _working_bytes(shape, use) * use.n_ubatch)
    copied = max((layer.weights for layer in on_host), default=0) / 3
    fixed = GPU_CONTEXT_MIB
    fixed += 0 if use.cache_type_k == use.cache_type_v == "f16" else CONVERSION_MIB
    fixed += 0 if use.flash_attention else ATTENTION_MIB
    return use.gpus * (fixed + _mib(step + copied))


def _host_overhead_mib(shape: Shape, use: Use) -> int:
    """Without GPUs the buffer for computing counts as far as it is used: a number for
    each token of the vocabulary only of the last token of a request."""
    process = use.process_mib + (GPU_PROCESS_MIB if use.gpus else 0)
    output = 4 * shape.vocabulary * use.n_parallel
    mask_and_input = 4 * (use.n_ctx + shape.embedding)
    working = 0 if use.gpus else _working_bytes(shape, use)
    batch = (mask_and_input + working) * use.n_ubatch
    return process + _mib(shape.vocabulary * TOKEN_BYTES + output + batch)


def _working_bytes(shape: Shape, use: Use) -> int:
    """Of one token that is being read: its activations, and without flash attention a
    number for each head and token before it."""
    used = max(1, shape.experts_used)
    activations = 4 * (6 * shape.embedding + 2 * used * shape.feed_forward)
    attention = 2 * use.n_ctx
    if not use.flash_attention:
        attention = 4 * use.n_ctx * shape.heads
    return activations + attention


def _mib(size: float) -> int:
    return int(-(-size // MIB))
