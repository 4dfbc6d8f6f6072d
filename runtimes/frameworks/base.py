"""What a framework (llama.cpp, vLLM) has to know: how to check its config, how to start
its engines, and how to read their health, metrics and log.

To add one, write a subclass of Framework in a folder of its own and name it in
settings.FRAMEWORKS. tests/runtimes/frameworks/echo is a complete small example.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from common.enums import ModelKind
from common.problems import Problem
from common.request_fields.dialect import OPENAI, EngineDialect
from runtimes.frameworks.candidates import Candidate, Folder, Kind
from runtimes.frameworks.engines import Engine, EngineKind
from runtimes.frameworks.fields import Field
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.frameworks.sampling import sampling

Config = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """program: the engine's own Python or binary; empty: the platform's Python. MiB:
    memory_mib of the host; gpu_share_mib of each of its GPUs, gpu_total_mib that the
    smallest of them has; 0: unset. downloads: models may come from a hub. socket: the
    Unix socket on which the engine listens; empty: on host and port."""

    api_key: str
    model_name: str
    cpu_cores: int
    gpu_uuids: tuple[str, ...] = ()
    program: str = ""
    memory_mib: int = 0
    gpu_share_mib: int = 0
    gpu_total_mib: int = 0
    downloads: bool = False
    socket: str = ""
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """stdin: text for the engine's standard input; the place for secrets, since argv
    can be read by every user of the machine. env, which the engine's own user and root
    can read, is added to a small clean environment."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stdin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """code or signal is set; neither: nothing observed how the engine ended.
    oom: the kernel had just killed a process of its control group for memory."""

    code: int | None
    signal: int | None
    oom: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """MiB. prompt_cache_mib: at most; it fills as the model is used."""

    weights_mib: int = 0
    kv_cache_mib: int = 0
    overhead_mib: int = 0
    prompt_cache_mib: int = 0

    @property
    def total_mib(self) -> int:
        return (
            self.weights_mib
            + self.kv_cache_mib
            + self.overhead_mib
            + self.prompt_cache_mib
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Memory of one replica, on its GPUs in all and on the host. n_ctx: tokens of one
    request, for which it is made."""

    n_ctx: int
    gpu: Share
    host: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the headers of a model's files contain. paths: all files, the main one
    first. bytes: of the weights. Empty or 0: unknown."""

    paths: tuple[Path, ...]
    bytes: int
    architectures: tuple[str, ...]
    context: int = 0
    parameters: int = 0
    quantisation: str = ""
    kind: ModelKind = ModelKind.CHAT


class Framework(ABC):
    """Subclasses hold no state. The defaults suit an engine with an OpenAI API and
    /health, without metrics, whose models are files of this machine."""

    name: ClassVar[str]
    # Of a config, in the order in which people should read them
    fields: ClassVar[Mapping[str, Field]]
    # The key that names the model: a path, or the id of a model of a hub
    model_key: ClassVar[str]
    engines: ClassVar[tuple[EngineKind, ...]]
    # Of files that may be models, in lower case
    file_suffixes: ClassVar[tuple[str, ...]] = ()
    # The key for the tokens of one request, and its value for a new model
    context_key: ClassVar[str]
    usual_context: ClassVar[int]
    # The engine does not start with a longer context than the model was made for.
    context_is_limited: ClassVar[bool] = False
    # Keys that only administrators may set
    admin_keys: ClassVar[frozenset[str]] = frozenset()
    # Keys that do not change how much memory a model takes
    weightless_keys: ClassVar[frozenset[str]] = frozenset()
    # The key for the share of a GPU that a model takes, whatever is booked
    gpu_share_key: ClassVar[str] = ""
    # Takes all the memory it is given, whatever it needs.
    fills_memory: ClassVar[bool] = False

    def keys(self) -> Sequence[str]:
        return tuple(self.fields)

    @abstractmethod
    def check(
        self,
        config: Config,
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> list[Problem]:
        """Everything that is wrong: keys, types, ranges, then files. gpu_count: of one
        replica; None: not known."""

    @abstractmethod
    def engine(self, config: Config, gpu_count: int) -> str:
        """Name of the installation that can run it: see runtimes.installations."""

    @abstractmethod
    def contents(self, config: Config) -> Contents | Problem:
        """For a config without problems whose files are here; a Problem of files that
        no engine can load."""

    @abstractmethod
    def command(self, config: Config, placement: Placement) -> Command:
        """For a config without problems."""

    @abstractmethod
    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        """For a config without problems; a Problem of a model file that does not
        hold enough for it."""

    @abstractmethod
    def end_reason(self, exit: Exit, log_tail: str) -> str:
        """bad_config, bad_argument, model_file_missing, model_file_damaged,
        unknown_architecture, needs_remote_code, kv_cache_too_small, hub_offline,
        engine_broken, driver_mismatch, gpu_unsupported, gpu_unusable,
        out_of_gpu_memory, out_of_memory, port_in_use, gpu_lost, killed or crashed."""

    def candidates(self, folder: Folder) -> Iterable[Candidate]:
        """Models in a folder, by the names of its files."""
        return ()

    def knows(self, engine: Engine, architectures: Sequence[str]) -> bool | None:
        """Whether it can run one of them. None: that shows only when it is started."""
        return None

    def kind_of_file(self, problem: Problem) -> Kind:
        """By a Problem of contents(): what helps another model, or a broken model."""
        return Kind.MODEL

    def kind_settings(self, kind: ModelKind) -> Config:
        """What the config of a new model needs for its kind."""
        return {}

    def kind_problems(self, config: Config, kind: ModelKind) -> Iterable[Problem]:
        """Why a model of this kind cannot work with this config."""
        return ()

    def is_fatal(self, problem: Problem) -> bool:
        """Whether the engine needs what memory() missed in the model file."""
        return False

    def hub_model(self, config: Config) -> str:
        """Id of a model that is not here but on a hub; empty: its files are here."""
        return ""

    def ready_path(self, config: Config) -> str:
        """Answers 200 once the engine serves."""
        return "/health"

    def metrics_path(self, config: Config) -> str:
        """Fetched each second while it serves. Of an engine without metrics: whatever
        it answers at any time, without waiting for its turn."""
        return self.ready_path(config)

    def idle_path(self, config: Config) -> str:
        """Fetched while it is drained; in_flight() reads the answer."""
        return self.metrics_path(config)

    def cpu_cores(self, config: Config) -> int:
        """Used without GPUs, unless a model has a number of its own."""
        return max(1, len(os.sched_getaffinity(0)) // 2)

    def sampling(self, config: Config) -> dict[str, float]:
        """Defaults of the model for requests: those of temperature, top_p given."""
        return sampling(config)

    def embeds(self, config: Config) -> bool:
        """Whether the model answers requests for embeddings."""
        return False

    def dialect(self, config: Config) -> EngineDialect:
        """What the engine reads of requests; a field that is not there is refused."""
        return OPENAI

    def metrics(self, text: str) -> EngineMetrics | None:
        """Parses the answer of metrics_path(); None: there are no metrics in it."""
        return None

    def in_flight(self, text: str) -> int | None:
        """Requests running or queued, by the answer of idle_path(); None: not known."""
        found = self.metrics(text)
        return found.in_flight if found else None
