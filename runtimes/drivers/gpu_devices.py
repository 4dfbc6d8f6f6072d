"""Device files of NVIDIA GPUs that only exist once a program has used CUDA.

Its library makes them itself, as root or through nvidia-modprobe, which gains
privileges. Engines gain none, so the first one after a restart of the machine would
fail.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

DEV = Path("/dev")
# In the order in which they are made: NVML makes the first, CUDA the second.
DRIVER, CUDA = "nvidiactl", "nvidia-uvm"
USE_CUDA = "import ctypes; ctypes.CDLL('libcuda.so.1').cuInit(0)"
TIMEOUT_S = 20


def complete(python: str, environment: Mapping[str, str], dev: Path = DEV) -> None:
    """Uses CUDA for a moment where its device file is missing. An engine reports better
    than this what else is wrong."""
    if not (dev / DRIVER).exists() or (dev / CUDA).exists():
        return
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [python, "-I", "-S", "-c", USE_CUDA],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
