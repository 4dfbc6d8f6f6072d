"""Patterns in the log of vLLM that show why it ended. The first match wins: one cause
makes others complain, and the general ValueError of a refused configuration comes
last."""

from __future__ import annotations

from runtimes.frameworks.common_endings import (
    DRIVER_MISMATCH,
    GPU_LOST,
    GPU_UNSUPPORTED,
    GPU_UNUSABLE,
)
from runtimes.frameworks.endings import pattern

ENDINGS = (
    ("port_in_use", pattern("address already in use")),
    DRIVER_MISMATCH,
    ("gpu_lost", pattern(*GPU_LOST)),
    GPU_UNSUPPORTED,
    GPU_UNUSABLE,
    (
        "kv_cache_too_small",
        pattern(
            "No available memory for the cache blocks",
            "is larger than the available KV cache memory",
        ),
    ),
    (
        "out_of_gpu_memory",
        pattern(
            "CUDA out of memory",
            "CUDA error: out of memory",
            "torch.OutOfMemoryError",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "is less than desired GPU memory utilization",
        ),
    ),
    (
        "out_of_memory",
        pattern(
            "DefaultCPUAllocator: .*can't allocate memory",
            "is less than requested memory for kv",
            "std::bad_alloc|MemoryError|cannot allocate memory",
        ),
    ),
    (
        "hub_offline",
        pattern(
            "OfflineModeIsEnabled|LocalEntryNotFoundError",
            "outgoing traffic has been disabled",
            r"cannot reach https?://|couldn't connect to '?https?://",
        ),
    ),
    (
        "model_file_missing",
        pattern(
            r"No such file or directory: '?\S*(config\.json|\.safetensors|\.bin)",
            "Cannot find any model weights",
            "does not appear to have a file named",
            "Invalid repository ID or local directory",
            "HFValidationError",
        ),
    ),
    (
        "unknown_architecture",
        pattern(
            "are not supported for now",
            "does not recognize this architecture",
        ),
    ),
    ("needs_remote_code", pattern("trust_remote_code=True")),
    (
        "model_file_damaged",
        pattern(
            "SafetensorError|JSONDecodeError",
            "is not a valid JSON file",
            "Couldn't instantiate the backend tokenizer",
        ),
    ),
    (
        "engine_broken",
        pattern(
            "ModuleNotFoundError|No module named",
            r"ImportError\b.*(cannot open shared object file|undefined symbol)",
            "cannot execute the engine",
            # Without a compiler, or Python's headers
            "CppCompileError|InvalidCxxCompiler|Failed to find C compiler",
        ),
    ),
    (
        "bad_argument",
        pattern("error: (unrecognized arguments|argument |the following arguments)"),
    ),
    (
        "bad_config",
        pattern(
            "pydantic_core._pydantic_core.ValidationError",
            "ValueError: ",
        ),
    ),
)
