"""Compile the fake NVML and load it under the real one's name, so that the binding's
own dlopen("libnvidia-ml.so.1") finds it."""

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path

from tests.environment import DATA_DIR

STATE = DATA_DIR / "nvml.state"
EVENTS = DATA_DIR / "nvml.events"

NOT_SUPPORTED, NO_PERMISSION, NO_FUNCTION = "!3", "!4", "!13"
A_GPU = {
    "result": 0,
    "name": "Fake GPU",
    "total": 24576,
    "free": 24000,
    "utilization": 0,
    "memory_utilization": 0,
    "temperature": 40,
    "power": 30,
    "power_limit": 300,
    "clock_sm": 1410,
    "clock_memory": 9001,
    "processes": {},
}


@cache
def load() -> ctypes.CDLL:
    library = DATA_DIR / "libnvidia-ml.so.1"
    source = Path(__file__).with_suffix(".c")
    flags = ["-shared", "-fPIC", "-Wall", "-Werror", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run(["cc", *flags, "-o", str(library), str(source)], check=True)
    # ctypes' os.environ reaches C's getenv, which is what the library reads.
    os.environ["FAKE_NVML_STATE"] = str(STATE)
    os.environ["FAKE_NVML_EVENTS"] = str(EVENTS)
    return ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def a_gpu(index: int, **fields) -> str:
    """Fields as in nvml.c. processes: MiB by pid, None where the driver does not report
    it. memory: one result for total and free."""
    given = {"uuid": f"GPU-{index:04}", **A_GPU, **fields}
    if memory := given.pop("memory", None):
        given["total"] = given["free"] = memory
    if isinstance(given["processes"], dict):
        pairs = given["processes"].items()
        given["processes"] = ",".join(
            f"{pid}:{'?' if mib is None else mib}" for pid, mib in pairs
        )
    return "\t".join(f"{key}={value}" for key, value in given.items())


def set_gpus(*gpus: str, init: int = 0) -> None:
    """Replaced as a whole, so that no reader sees half of it."""
    draft = STATE.with_suffix(".draft")
    draft.write_text("\n".join([str(init), *gpus]) + "\n")
    draft.replace(STATE)


def happen(index: int, xid: int) -> None:
    """Reports an XID to everyone who watches the GPU by now."""
    with EVENTS.open("a") as file:
        file.write(f"{index} {xid}\n")
