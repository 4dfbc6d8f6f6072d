"""llama.cpp, in one of the three builds of builds.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from common.enums import ModelKind
from common.problems import Problem
from common.request_fields.dialect import EngineDialect
from runtimes.frameworks.base import (
    Command,
    Config,
    Contents,
    Estimate,
    Exit,
    Framework,
    Placement,
)
from runtimes.frameworks.candidates import Candidate, Folder, Kind
from runtimes.frameworks.endings import classify
from runtimes.frameworks.engines import Engine
from runtimes.frameworks.extra_args import KEY as EXTRA
from runtimes.frameworks.extra_args import extra_problems
from runtimes.frameworks.fields import (
    bad_values,
    integer_of,
    out_of_range,
    text_of,
    unknown_keys,
)
from runtimes.frameworks.llamacpp import metrics as llamacpp_metrics
from runtimes.frameworks.llamacpp.architectures import knows
from runtimes.frameworks.llamacpp.builds import BUILDS, LISTS_MODELS, build_of
from runtimes.frameworks.llamacpp.candidates import GGUF, gguf_files
from runtimes.frameworks.llamacpp.chat_templates import template_problems
from runtimes.frameworks.llamacpp.contents import contents
from runtimes.frameworks.llamacpp.endings import ENDINGS
from runtimes.frameworks.llamacpp.memory import memory
from runtimes.frameworks.llamacpp.model_file import check_model_file
from runtimes.frameworks.llamacpp.options import (
    CONFIG,
    DEFAULT,
    EXTRA_ARGS,
    KINDS,
    N_CTX,
)
from runtimes.frameworks.llamacpp.requests import RERANK_DIALECT, SERVER_DIALECT
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.frameworks.sampling import SAMPLING

FIELD = "config.model_path"
FILE_KINDS = {"clip": Kind.PROJECTOR, "mmproj": Kind.PROJECTOR, "adapter": Kind.ADAPTER}


class LlamaCpp(Framework):
    name = "llama.cpp"
    fields = CONFIG
    engines = KINDS
    model_key = "model_path"
    file_suffixes = (GGUF,)
    context_key = "n_ctx"
    usual_context = N_CTX
    admin_keys = frozenset({EXTRA})
    weightless_keys = frozenset({*SAMPLING, "n_threads", "chat_template"})

    def check(
        self,
        config: Config,
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> list[Problem]:
        problems = [*unknown_keys(config, list(CONFIG)), *bad_values(config, CONFIG)]
        problems += extra_problems(config, EXTRA_ARGS)
        problems += _path_problems(config, model_roots, problems)
        if not problems:
            problems += _beyond_build(config)
            problems += _beyond_gpus(config, gpu_count)
        return problems or [*template_problems(config)]

    def engine(self, config: Config, gpu_count: int) -> str:
        return text_of(config, "engine", DEFAULT)

    def candidates(self, folder: Folder) -> Iterable[Candidate]:
        return gguf_files(folder, self.name)

    def knows(self, engine: Engine, architectures: Sequence[str]) -> bool | None:
        return knows(engine, architectures)

    def kind_of_file(self, problem: Problem) -> Kind:
        if problem.code != "gguf_not_a_model":
            return Kind.MODEL
        return FILE_KINDS.get(str(problem.params.get("kind")), Kind.OTHER)

    def kind_settings(self, kind: ModelKind) -> Config:
        return {"embedding": True} if kind is ModelKind.EMBEDDING else {}

    def kind_problems(self, config: Config, kind: ModelKind) -> Iterator[Problem]:
        if kind is ModelKind.EMBEDDING and not self.embeds(config):
            yield Problem(code="embedding_not_set", field="config.embedding")

    def is_fatal(self, problem: Problem) -> bool:
        return problem.code.startswith("gguf_")

    def contents(self, config: Config) -> Contents | Problem:
        return contents(config)

    def command(self, config: Config, placement: Placement) -> Command:
        return build_of(config).command(config, placement)

    def ready_path(self, config: Config) -> str:
        return build_of(config).ready_path

    def metrics_path(self, config: Config) -> str:
        return build_of(config).metrics_path

    def idle_path(self, config: Config) -> str:
        build = build_of(config)
        return build.idle_path or build.metrics_path

    def cpu_cores(self, config: Config) -> int:
        threads = config.get("n_threads")
        return threads if isinstance(threads, int) else super().cpu_cores(config)

    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        return memory(config, gpu_count)

    def embeds(self, config: Config) -> bool:
        return config.get("embedding") is True

    def dialect(self, config: Config) -> EngineDialect:
        dialect = build_of(config).dialect
        extra = cast(Mapping[str, object], config.get(EXTRA, {}))
        reranks = self.embeds(config) and extra.get("pooling_type") == "rank"
        return RERANK_DIALECT if reranks and dialect is SERVER_DIALECT else dialect

    def metrics(self, text: str) -> EngineMetrics | None:
        return llamacpp_metrics.read(text)

    def in_flight(self, text: str) -> int | None:
        return 0 if text.startswith(LISTS_MODELS) else super().in_flight(text)

    def end_reason(self, exit: Exit, log_tail: str) -> str:
        return classify(exit, log_tail, ENDINGS)


def _path_problems(
    config: Config, model_roots: Sequence[Path], so_far: Sequence[Problem]
) -> list[Problem]:
    if "model_path" not in config:
        return [Problem(code="missing_key", field=FIELD, params={"key": "model_path"})]
    if any(problem.field == FIELD for problem in so_far):
        return []
    problem = check_model_file(text_of(config, "model_path"), model_roots)
    return [problem] if problem else []


def _beyond_build(config: Config) -> Iterator[Problem]:
    """What this build lacks; the others have it."""
    build = build_of(config)
    extra = cast(Mapping[str, object], config.get(EXTRA, {}))
    lacking = [key for key in config if key in build.lacks]
    lacking += [f"{EXTRA}.{key}" for key in extra if key in build.lacks]
    for key in lacking:
        others = [name for name, b in BUILDS.items() if key not in b.lacks]
        params: dict[str, object] = {"key": key, "engine": build.name, "others": others}
        yield Problem(code="not_with_engine", field=f"config.{key}", params=params)


def _beyond_gpus(config: Config, gpu_count: int | None) -> Iterator[Problem]:
    extra = cast(Mapping[str, object], config.get(EXTRA, {}))
    main = integer_of(extra, "main_gpu", 0)
    if gpu_count is not None and main >= max(gpu_count, 1):
        yield out_of_range(f"{EXTRA}.main_gpu", main, 0, max(gpu_count, 1) - 1)
