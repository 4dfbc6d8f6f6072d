"""What a llama.cpp config asks of the estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from runtimes.estimates.gguf import BadGguf
from runtimes.estimates.memory import Use, estimate
from runtimes.estimates.shape import shape_of
from runtimes.frameworks.base import Config, Estimate, Problem
from runtimes.frameworks.llamacpp_options import (
    CACHE_RAM_MIB,
    N_CTX,
    N_PARALLEL,
    N_UBATCH,
)


def memory(config: Config, gpu_count: int) -> Estimate | Problem:
    try:
        shape = shape_of(Path(cast(str, config["model_path"])))
    except BadGguf as bad:
        return bad.problem
    return estimate(shape, use_of(config, gpu_count))


def use_of(config: Config, gpu_count: int) -> Use:
    given = cast(dict[str, Any], config)
    extra = given.get("extra_args", {})
    return Use(
        n_ctx=given.get("n_ctx", N_CTX),
        n_parallel=given.get("n_parallel", N_PARALLEL),
        n_gpu_layers=given.get("n_gpu_layers", -1),
        gpus=gpu_count,
        cache_type_k=extra.get("cache_type_k", "f16"),
        cache_type_v=extra.get("cache_type_v", "f16"),
        n_ubatch=min(extra.get("n_ubatch", N_UBATCH), given.get("n_batch", 2**16)),
        flash_attention=extra.get("flash_attn_type") != "off",
        whole_window=extra.get("swa_full", False),
        cache_on_gpu=not extra.get("no_kv_offload", False),
        prompt_cache_mib=extra.get("cache_ram_mib", CACHE_RAM_MIB),
    )
