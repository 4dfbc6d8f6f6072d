"""llama.cpp, served by xllamacpp (its own HTTP server, in a wheel)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from runtimes.frameworks import llamacpp_metrics
from runtimes.frameworks.base import (
    Command,
    Config,
    Estimate,
    Exit,
    Placement,
    Problem,
)
from runtimes.frameworks.endings import classify, pattern
from runtimes.frameworks.fields import (
    UNKNOWN_KEYS_SHOWN,
    Choice,
    Field,
    bad_values,
    shown,
    unknown_keys,
)
from runtimes.frameworks.files import check_model_file
from runtimes.frameworks.llamacpp_memory import memory
from runtimes.frameworks.llamacpp_options import (
    CACHE_RAM_MIB,
    CONFIG,
    EXTRA_ARGS,
    N_CTX,
    N_PARALLEL,
)
from runtimes.frameworks.metrics import EngineMetrics

PROJECT_ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PASSED_ON = ("n_batch", "embedding", "chat_template")

# In this order: llama.cpp ends every failed start with "failed to load model", so the
# general pattern comes last; both kinds of memory log "failed to allocate".
ENDINGS = (
    (
        "port_in_use",
        pattern("couldn't bind HTTP server socket", "address already in use"),
    ),
    (
        "gpu_lost",
        pattern(
            "GPU is lost",
            "fallen off the bus",
            "ErrorDeviceLost",
            "uncorrectable ECC error",
            r"CUDA error: .*(busy or unavailable|no CUDA-capable device)",
        ),
    ),
    (
        "out_of_gpu_memory",
        pattern(
            r"cudaMalloc failed: out of memory",
            r"(CUDA|HIP|ROCm) error: out of memory",
            r"(CUDA_ERROR_|hipError)OutOfMemory|CUDA_ERROR_OUT_OF_MEMORY",
            r"ErrorOutOfDeviceMemory",
            r"failed to allocate (CUDA|ROCm|Vulkan)\d+ buffer",
        ),
    ),
    (
        "out_of_memory",
        pattern(
            r"insufficient memory \(attempted to allocate",
            r"failed to allocate (CPU|CUDA_Host)\w* buffer",
            r"std::bad_alloc|MemoryError|cannot allocate memory",
            r"failed to allocate buffer for kv cache",
        ),
    ),
    ("model_file_missing", pattern("failed to open GGUF file", "cannot open model")),
    (
        "bad_config",
        pattern(
            "failed to load model",
            "error loading model",
            "failed to create_context",
            "chat template parsing error",
            "bad setting",
            "shim: cannot execute",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class LlamaCpp:
    name: str = "llama.cpp"
    ready_path: str = "/health"
    python: str = sys.executable

    def keys(self) -> Sequence[str]:
        return tuple(CONFIG)

    def check(self, config: Config, *, model_roots: Sequence[Path]) -> list[Problem]:
        problems = [*unknown_keys(config, list(CONFIG)), *bad_values(config, CONFIG)]
        extra = config.get("extra_args")
        if isinstance(extra, dict):
            problems += [*_not_allowed(extra)]
            problems += bad_values(extra, EXTRA_ARGS, prefix="extra_args.")
        return problems + _path_problems(config, model_roots, problems)

    def command(self, config: Config, placement: Placement) -> Command:
        visible = ",".join(placement.gpu_uuids)
        return Command(
            argv=(self.python, "-P", "-m", "runtimes.engines.xllamacpp_server"),
            env={
                "PYTHONPATH": str(PROJECT_ROOT),
                # Empty hides all GPUs: an engine placed on none must not use any.
                "CUDA_VISIBLE_DEVICES": visible,
                "HIP_VISIBLE_DEVICES": visible,
            },
            stdin=json.dumps(_spec(config, placement)),
        )

    def cpu_cores(self, config: Config) -> int:
        threads = config.get("n_threads")
        if isinstance(threads, int):
            return threads
        return max(1, len(os.sched_getaffinity(0)) // 2)

    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        return memory(config, gpu_count)

    def sampling(self, config: Config) -> dict[str, float]:
        given = {key: config.get(key) for key in ("temperature", "top_p")}
        return {k: float(v) for k, v in given.items() if isinstance(v, int | float)}

    def metrics(self, text: str) -> EngineMetrics | None:
        return llamacpp_metrics.read(text)

    def in_flight(self, metrics: str) -> int | None:
        told = self.metrics(metrics)
        return told.in_flight if told else None

    def end_reason(self, exit: Exit, log_tail: str) -> str:
        return classify(exit, log_tail, ENDINGS)


def _not_allowed(extra: Mapping[str, object]) -> Iterator[Problem]:
    refused = [key for key in extra if key not in EXTRA_ARGS]
    for key in refused[:UNKNOWN_KEYS_SHOWN]:
        name = f"extra_args.{shown(key)}"
        yield Problem(
            code="not_allowed",
            field=f"config.{name}",
            params={"key": name, "allowed": list(EXTRA_ARGS)},
        )


def _path_problems(
    config: Config, model_roots: Sequence[Path], so_far: Sequence[Problem]
) -> list[Problem]:
    field = "config.model_path"
    if "model_path" not in config:
        return [Problem(code="missing_key", field=field, params={"key": "model_path"})]
    if any(problem.field == field for problem in so_far):
        return []
    problem = check_model_file(cast(str, config["model_path"]), model_roots)
    return [problem] if problem else []


def _spec(config: Config, placement: Placement) -> dict[str, object]:
    """settings: attributes of CommonParams, dotted, and their values."""
    extra = cast(dict[str, object], config.get("extra_args", {}))
    requests = cast(int, config.get("n_parallel", N_PARALLEL))
    layers = config.get("n_gpu_layers", -1) if placement.gpu_uuids else 0
    threads = config.get("n_threads", placement.cpu_cores)
    settings = {
        "model.path": config["model_path"],
        # llama.cpp divides n_ctx among its slots; people mean it for each request.
        "n_ctx": cast(int, config.get("n_ctx", N_CTX)) * requests,
        "n_parallel": requests,
        "cpuparams.n_threads": threads,
        "cpuparams_batch.n_threads": threads,
        "n_gpu_layers": layers,
        "cache_ram_mib": CACHE_RAM_MIB,
        **{key: config[key] for key in PASSED_ON if key in config},
        **{key: _number(EXTRA_ARGS[key], value) for key, value in extra.items()},
    }
    return {
        "host": HOST,
        "port": placement.port,
        "api_key": placement.api_key,
        "model_name": placement.model_name,
        "settings": settings,
    }


def _number(field: Field, value: object) -> object:
    return field.numbers[cast(str, value)] if isinstance(field, Choice) else value
