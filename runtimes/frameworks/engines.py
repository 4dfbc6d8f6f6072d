"""Kinds of engines that a framework can run, and installations of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Place(Enum):
    """Where an engine is installed."""

    PLATFORM = "platform"  # in the platform's own Python environment
    PATH = "path"  # a program on the PATH
    ENVIRONMENT = "environment"  # a virtual environment of its own in ENGINES_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKind:
    """install: a command, or an address with instructions. package: the distribution;
    empty: what comes with Python. accelerator: of a package whose files do not show it.
    libraries: files below site-packages that show it otherwise. devices_flag: makes a
    program list its GPUs."""

    name: str
    install: str
    place: Place = Place.ENVIRONMENT
    package: str = ""
    accelerator: str = ""
    libraries: tuple[str, ...] = ()
    devices_flag: str = ""


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
