"""Find the engines installed on this machine, without importing them.

Frameworks define the kinds. A virtual environment in ENGINES_DIR
(scripts/install-engine.sh) counts once its file .installed is there. Several engines of
a kind have labels: a link ENGINES_DIR/vllm@nightly to a virtual environment, or
llama-server@cuda to a binary.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import python_version

from django.conf import settings

from common.problems import Problem
from runtimes.drivers.process import engine_environment
from runtimes.frameworks.byte_search import contains
from runtimes.frameworks.engines import Engine, EngineKind, Place
from runtimes.frameworks.fields import kind_of
from runtimes.registry import frameworks

# The other drivers run engines from images.
LOCAL_DRIVER = "process"
TIMEOUT_S = 20  # for a binary that loads GPU libraries first
VERSION = re.compile(r"version:\s*(\S+)")
# Files of a package that show which GPUs it was built for
GPU_LIBRARIES = {
    "cuda": re.compile(r"ggml-cuda|cublas|cudart"),
    "rocm": re.compile(r"ggml-hip|rocblas|amdhip"),
    "vulkan": re.compile(r"ggml-vulkan"),
}
# Libraries of drivers that its own libraries load, where all else is linked into them
DRIVER_LIBRARIES = {
    "cuda": b"libcuda.so",
    "rocm": b"libamdhip64.so",
    "vulkan": b"libvulkan.so",
}
GPU_DEVICES = {"cuda": "CUDA0", "rocm": "ROCm0", "vulkan": "Vulkan0"}


def kinds() -> dict[str, EngineKind]:
    """Engine kinds of all frameworks, by name."""
    return {kind.name: kind for each in frameworks().values() for kind in each.engines}


def installed() -> list[Engine]:
    labelled = sorted(path.name for path in settings.ENGINES_DIR.glob("*@*"))
    return [engine for engine in map(find, [*kinds(), *labelled]) if engine]


def find(name: str) -> Engine | None:
    """name: a kind, or KIND@LABEL when several of a kind are installed."""
    kind = kinds().get(kind_of(name))
    if kind is None:
        return None
    if kind.place == Place.PLATFORM and name == kind.name:
        return _in_platform(kind)
    if kind.place == Place.PATH:
        return _binary(name, kind)
    return _in_environment(name, kind)


def missing(name: str, field: str) -> Problem:
    kind = kinds().get(kind_of(name))
    params = {
        "engine": name,
        "installed": [engine.title for engine in installed()],
        "command": kind.install if kind else "",
    }
    return Problem(code="engine_missing", field=field, params=params)


def _in_platform(kind: EngineKind) -> Engine | None:
    version, files = python_version(), list[Path]()
    if kind.package:
        try:
            package = metadata.distribution(kind.package)
        except metadata.PackageNotFoundError:
            return None
        version = package.version
        files = [Path(str(file.locate())) for file in package.files or ()]
    return Engine(
        name=kind.name,
        version=version,
        accelerator=kind.accelerator or _accelerator(files),
        program=sys.executable,
    )


def _binary(name: str, kind: EngineKind) -> Engine | None:
    """On the PATH, or with a label, a link in ENGINES_DIR."""
    usual = name == kind.name
    path = settings.ENGINES_PATH if usual else str(settings.ENGINES_DIR)
    found = shutil.which(name, path=path)
    if found is None:
        return None
    return _described(name, found, kind.devices_flag, Path(found).stat().st_mtime_ns)


@cache
def _described(name: str, program: str, devices_flag: str, changed: int) -> Engine:
    """From the program's output. changed: runs it again after an update."""
    version = VERSION.search(_output(program, "--version"))
    devices = _output(program, devices_flag) if devices_flag else ""
    accelerators = (name for name, device in GPU_DEVICES.items() if device in devices)
    return Engine(
        name=name,
        version=version[1] if version else "?",
        accelerator=next(accelerators, "cpu"),
        program=program,
    )


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env=engine_environment(settings.ENGINE_ENVIRONMENT),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _in_environment(name: str, kind: EngineKind) -> Engine | None:
    home = settings.ENGINES_DIR / name
    package = next(_packages(home, kind.package.replace("-", "_")), None)
    # A link was created on purpose, so it counts without the file.
    if package is None or not (home.is_symlink() or (home / ".installed").exists()):
        return None
    version = package.name.removesuffix(".dist-info").partition("-")[2]
    files = [
        path for pattern in kind.libraries for path in package.parent.glob(pattern)
    ]
    # The version names builds that differ from the usual one.
    accelerator = "cpu" if "+cpu" in version else kind.accelerator
    return Engine(
        name=name,
        version=version,
        accelerator=accelerator or _accelerator(files),
        program=str(home / "bin" / "python"),
    )


def _packages(home: Path, name: str) -> Iterator[Path]:
    return home.glob(f"lib/python3*/site-packages/{name}-*.dist-info")


def _accelerator(files: Sequence[Path]) -> str:
    for kind, pattern in GPU_LIBRARIES.items():
        if any(pattern.search(file.name) for file in files):
            return kind
    libraries = [file for file in files if ".so" in file.suffixes]
    for kind, name in DRIVER_LIBRARIES.items():
        if any(contains(file, name) for file in libraries):
            return kind
    return "cpu"
