"""Translates a llama.cpp config into the input of the estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from common.problems import Problem
from runtimes.frameworks.base import Config, Estimate
from runtimes.frameworks.fields import text_of
from runtimes.frameworks.llamacpp.builds import requests_at_once
from runtimes.frameworks.llamacpp.estimate import PYTHON_MIB, Use, estimate
from runtimes.frameworks.llamacpp.gguf import BadGguf
from runtimes.frameworks.llamacpp.options import (
    CACHE_RAM_MIB,
    N_CTX,
    N_UBATCH,
    PYTHON_BINDING,
    build_kind,
)
from runtimes.frameworks.llamacpp.shape import shape_of


def memory(config: Config, gpu_count: int) -> Estimate | Problem:
    try:
        shape = shape_of(Path(text_of(config, "model_path")))
    except BadGguf as bad:
        return bad.problem
    return estimate(shape, use_of(config, gpu_count))


def use_of(config: Config, gpu_count: int) -> Use:
    given = cast(dict[str, Any], config)
    extra = given.get("extra_args", {})
    use = Use(
        n_ctx=given.get("n_ctx", N_CTX),
        n_parallel=requests_at_once(config),
        n_gpu_layers=given.get("n_gpu_layers", -1),
        gpus=gpu_count,
        cache_type_k=extra.get("cache_type_k", "f16"),
        cache_type_v=extra.get("cache_type_v", "f16"),
        n_ubatch=min(extra.get("n_ubatch", N_UBATCH), given.get("n_batch", 2**16)),
        flash_attention=extra.get("flash_attn_type") != "off",
        whole_window=extra.get("swa_full", False),
        cache_on_gpu=not extra.get("no_kv_offload", False),
        all_outputs=given.get("embedding", False),
        prompt_cache_mib=extra.get("cache_ram_mib", CACHE_RAM_MIB),
    )
    return _bound(use, extra) if build_kind(given) == PYTHON_BINDING else use


def _bound(use: Use, extra: Mapping[str, Any]) -> Use:
    """The Python binding keeps no cache of prompts, and decides nothing itself."""
    return replace(
        use,
        flash_attention=extra.get("flash_attn_type") == "on",
        all_outputs=True,
        prompt_cache_mib=0,
        process_mib=PYTHON_MIB,
    )
