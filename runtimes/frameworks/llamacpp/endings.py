"""Patterns in the logs of llama.cpp's builds that show why an engine ended."""

from __future__ import annotations

from runtimes.frameworks.common_endings import (
    DRIVER_MISMATCH,
    GPU_LOST,
    GPU_UNSUPPORTED,
    GPU_UNUSABLE,
)
from runtimes.frameworks.endings import pattern

# In this order: llama.cpp ends every failed start with "failed to load model", so the
# general pattern comes last; both kinds of memory log "failed to allocate". A driver
# that is too old is also reported where no GPU is used.
ENDINGS = (
    (
        "port_in_use",
        pattern("couldn't bind HTTP server socket", "address already in use"),
    ),
    ("gpu_lost", pattern(*GPU_LOST, "ErrorDeviceLost")),
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
    (
        "model_file_missing",
        pattern(
            "failed to open GGUF file",
            "cannot open model",
            "Model path does not exist",
        ),
    ),
    (
        "unknown_architecture",
        pattern(
            "unknown model architecture: '[^']+'",
            "unknown pre-tokenizer type",
        ),
    ),
    (
        "model_file_damaged",
        pattern(
            "invalid magic characters",
            "is not within the file bounds",
            "model is corrupted or incomplete",
            "failed to read tensor data",
        ),
    ),
    GPU_UNSUPPORTED,
    (
        "engine_broken",
        pattern("No module named", "error while loading shared libraries"),
    ),
    (
        "bad_argument",
        pattern(
            "error: invalid argument",
            "error while handling argument",
            "error: (unrecognized arguments|argument )",
            "validation errors? for ConfigFileSettings",
            "bad setting",
        ),
    ),
    (
        "bad_config",
        pattern(
            "failed to load model",
            "error loading model",
            "failed to create_context",
            "chat template parsing error",
            "failed to create llama_context",
            "cannot execute the engine",
        ),
    ),
    DRIVER_MISMATCH,
    GPU_UNUSABLE,
)
