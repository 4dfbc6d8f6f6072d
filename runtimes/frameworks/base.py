"""What a framework (llama.cpp, vLLM) must know: how its config is checked, how it is
started, and how its health, metrics and last words are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.problems import Problem
from runtimes.frameworks.metrics import EngineMetrics

Config = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """program: the engine's own Python or binary; empty: the platform's Python. MiB:
    memory_mib of the host; gpu_share_mib of each of its GPUs, gpu_total_mib that the
    smallest of them has; 0: not said. downloads: models may come from a hub."""

    port: int
    api_key: str
    model_name: str
    cpu_cores: int
    gpu_uuids: tuple[str, ...] = ()
    program: str = ""
    memory_mib: int = 0
    gpu_share_mib: int = 0
    gpu_total_mib: int = 0
    downloads: bool = False
    host: str = "127.0.0.1"


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
    """code or signal is set; neither: nobody was there to see how the engine ended.
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
    """What the files of a model tell, by their headers. paths: all of them, the first
    one first. bytes: of its weights. Empty or 0: not told."""

    paths: tuple[Path, ...]
    bytes: int
    architectures: tuple[str, ...]
    context: int = 0
    parameters: int = 0
    quantisation: str = ""


class Framework(Protocol):
    name: str

    @property
    def fills_memory(self) -> bool:
        """It takes all it is given, whatever it needs."""

    def keys(self) -> Sequence[str]:
        """Of a config, in the order in which people should read them."""

    def check(
        self,
        config: Config,
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> list[Problem]:
        """Everything that is wrong: keys, types, ranges, then files. gpu_count: of one
        replica; None: not known."""

    def engine(self, config: Config, gpu_count: int) -> str:
        """Name of the installation that can run it: see runtimes.installations."""

    def hub_model(self, config: Config) -> str:
        """Id of a model that is not here but on a hub; empty: its files are here."""

    def contents(self, config: Config) -> Contents | Problem:
        """For a config without problems whose files are here; a Problem of files that
        no engine can load."""

    def command(self, config: Config, placement: Placement) -> Command:
        """For a config without problems."""

    def ready_path(self, config: Config) -> str:
        """Answers 200 once the engine serves."""

    def metrics_path(self, config: Config) -> str:
        """Asked each second while it serves. Of an engine without metrics: whatever it
        answers at any time, without waiting for its turn."""

    def idle_path(self, config: Config) -> str:
        """Asked while it is drained; in_flight() reads what it answers."""

    def cpu_cores(self, config: Config) -> int: ...

    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        """For a config without problems; a Problem of a model file that tells too
        little."""

    def sampling(self, config: Config) -> dict[str, float]:
        """Defaults of the model for requests: those of temperature, top_p given."""

    def metrics(self, text: str) -> EngineMetrics | None:
        """The text of /metrics; None: it is none."""

    def in_flight(self, metrics: str) -> int | None:
        """Requests processed or queued, by what idle_path() answers; None: not
        known."""

    def end_reason(self, exit: Exit, log_tail: str) -> str:
        """bad_config, bad_argument, model_file_missing, model_file_damaged,
        unknown_architecture, needs_remote_code, kv_cache_too_small, hub_offline,
        engine_broken, driver_mismatch, gpu_unsupported, out_of_gpu_memory,
        out_of_memory, port_in_use, gpu_lost, killed or crashed."""
