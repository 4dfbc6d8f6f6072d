"""Compile the fake NVML and load it under the real one's name, so that the binding's
own dlopen("libnvidia-ml.so.1") finds it."""

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

from tests.environment import DATA_DIR

STATE = DATA_DIR / "nvml.state"


@cache
def load() -> ctypes.CDLL:
    library = DATA_DIR / "libnvidia-ml.so.1"
    source = Path(__file__).with_suffix(".c")
    flags = ["-shared", "-fPIC", "-Wall", "-Werror", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run(["cc", *flags, "-o", str(library), str(source)], check=True)
    # ctypes' os.environ reaches C's getenv, which is what the library reads.
    os.environ["FAKE_NVML_STATE"] = str(STATE)
    return ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def a_gpu(index: int, *, total=24576, free=24000, result=0, name="Fake GPU") -> str:
    return f"{result} GPU-{index:04} {total} {free} {name}"


def say(*gpus: str, init: int = 0) -> None:
    STATE.write_text("\n".join([str(init), *gpus]) + "\n")
