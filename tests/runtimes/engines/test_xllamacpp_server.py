"""The launcher, with a library that sees the GPUs of other builds and machines."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.engines import xllamacpp_server
from runtimes.frameworks.base import Exit
from runtimes.frameworks.llamacpp.framework import LlamaCpp

LIBRARY = """
def get_system_info(): return {system!r}
def get_device_info(): return [{{"type": kind}} for kind in {devices}]
"""
CPU, GPU, SHARED = 0, 1, 2
FOR_CPUS = "CPU : AVX2 = 1 | OPENMP = 1 | "
FOR_GPUS = f"CUDA : ARCHS = 900 | USE_GRAPHS = 1 | {FOR_CPUS}"
NO_GPU = "GPUs can be used"


@pytest.fixture
def start(tmp_path):
    """Standard error of a start, which always fails: the library has no server."""

    def run(visible, system, devices):
        library = LIBRARY.format(system=system, devices=devices)
        (tmp_path / "xllamacpp.py").write_text(library)
        (tmp_path / "m.gguf").touch()
        settings = {"model.path": str(tmp_path / "m.gguf")}
        spec = {"host": "/none.sock", "port": 0, "settings": settings}
        return subprocess.run(
            [sys.executable, "-P", "-m", "xllamacpp_server"],
            input=json.dumps(spec),
            env={
                **{"PATH": os.defpath, "CUDA_VISIBLE_DEVICES": visible},
                "PYTHONPATH": f"{tmp_path}:{Path(xllamacpp_server.__file__).parent}",
            },
            capture_output=True,
            text=True,
        ).stderr

    return run


@pytest.mark.parametrize(
    ("visible", "system", "devices", "found"),
    [
        ("GPU-1", FOR_GPUS, [CPU], "0 of 1"),
        ("GPU-1,GPU-2", FOR_GPUS, [GPU, CPU], "1 of 2"),
        ("GPU-1", FOR_GPUS, [GPU, CPU], ""),
        ("GPU-1", FOR_GPUS, [SHARED, CPU], ""),
        ("GPU-1,GPU-2", FOR_GPUS, [GPU, GPU, CPU], ""),
        ("", FOR_GPUS, [CPU], ""),
        ("GPU-1", FOR_CPUS, [CPU], ""),
    ],
)
def test_engine_with_gpus_does_not_serve_without_them(
    start, visible, system, devices, found
):
    log = start(visible, system, devices)
    assert (f"cannot start: {found} {NO_GPU}" in log) is bool(found), log
    assert (NO_GPU in log) is bool(found)
    reason = LlamaCpp().end_reason(Exit(code=1, signal=None), log)
    assert (reason == "gpu_unusable") is bool(found)
