"""Translates a vLLM config into the input of the estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from common.problems import Problem, shorten
from runtimes.frameworks.base import Config, Estimate, Placement
from runtimes.frameworks.fields import text_of
from runtimes.frameworks.vllm.estimate import LEAST_CPU_CACHE_MIB, Use, estimate
from runtimes.frameworks.vllm.folder import folder_shape
from runtimes.frameworks.vllm.model import FIELD, is_folder, weights_mib
from runtimes.frameworks.vllm.weights import BadFolder

GIB = 2**30
# Bytes of an element; all others have 2, "auto" of a model in float32 included.
SERVED = {"float": 4, "float32": 4}
# Of a model on the processor of which nothing is known
OVERHEAD_MIB = 2048
KV_CACHE_MIB = 1024


def memory(config: Config, gpu_count: int) -> Estimate | Problem:
    name = text_of(config, "model_name")
    if not is_folder(name):
        params: dict[str, object] = {"model": shorten(name)}
        return Problem(code="no_estimate", field=FIELD, params=params)
    try:
        return estimate(folder_shape(Path(name)), use_of(config, gpu_count))
    except BadFolder as bad:
        return bad.problem


def use_of(config: Config, gpu_count: int) -> Use:
    given = cast(dict[str, Any], config)
    extra = given.get("extra_args", {})
    served = SERVED.get(given.get("dtype", "auto"), 2)
    return Use(
        gpus=gpu_count,
        max_model_len=given.get("max_model_len", 0),
        max_num_seqs=given.get("max_num_seqs", 0),
        max_num_batched_tokens=given.get("max_num_batched_tokens", 0),
        served=served,
        cached=_cached(given.get("kv_cache_dtype", "auto"), served),
        compiled=not given.get("enforce_eager", False),
        offload=int(extra.get("cpu_offload_gb", 0) * GIB),
    )


def _cached(name: str, served: int) -> int:
    """Bytes of an element. What the engine alone knows counts as the type it serves."""
    if name.startswith(("fp8", "int8")):
        return 1
    return 2 if name in ("bfloat16", "float16", "half") else served


def kv_cache_mib(config: Config, placement: Placement) -> int:
    """For a model on the processor: what its memory leaves or, without a booking, what
    it needs. vLLM's own setting takes whole GiB only, and without any it would take
    most of the machine."""
    found = memory(config, 0)
    if isinstance(found, Problem):
        needed, other = KV_CACHE_MIB, _guess(config)
    else:
        needed = found.host.kv_cache_mib
        other = found.host.total_mib - needed
    left = placement.memory_mib - other if placement.memory_mib else needed
    return max(left, LEAST_CPU_CACHE_MIB)


def _guess(config: Config) -> int:
    return weights_mib(text_of(config, "model_name")) + OVERHEAD_MIB
