"""Messages of CUDA about drivers and GPUs, common to all engines."""

from __future__ import annotations

from runtimes.frameworks.endings import pattern

GPU_LOST = (
    "GPU is lost",
    "fallen off the bus",
    "uncorrectable ECC error",
    "CUDA error: .*(busy or unavailable|no CUDA-capable device)",
)
DRIVER_MISMATCH = (
    "driver_mismatch",
    pattern(
        "NVIDIA driver on your system is too old",
        "CUDA driver version is insufficient",
        "forward compatibility was attempted",
        "unsupported display driver / cuda driver combination",
        "PTX was compiled with an unsupported toolchain",
    ),
)
GPU_UNSUPPORTED = (
    "gpu_unsupported",
    pattern(
        "no kernel image is available for execution",
        "has no device code compatible with CUDA arch",
        "not compiled with any CUDA arch",
    ),
)
GPU_UNUSABLE = (
    "gpu_unusable",
    pattern(
        r"\d+ of \d+ GPUs can be used",
        "No CUDA GPUs are available",
        "Unexpected error from cudaGetDeviceCount",
    ),
)
