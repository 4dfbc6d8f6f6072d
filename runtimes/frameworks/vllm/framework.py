"""vLLM: its OpenAI server, on GPUs or, in a build of its own, on the processor."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

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
from runtimes.frameworks.candidates import Candidate, Folder
from runtimes.frameworks.endings import classify
from runtimes.frameworks.engines import Engine
from runtimes.frameworks.extra_args import KEY as EXTRA
from runtimes.frameworks.extra_args import extra_problems
from runtimes.frameworks.fields import (
    bad_values,
    integer_of,
    kind_of,
    text_of,
    unknown_keys,
)
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.frameworks.paths import for_engine
from runtimes.frameworks.sampling import SAMPLING
from runtimes.frameworks.vllm import metrics as vllm_metrics
from runtimes.frameworks.vllm.architectures import knows
from runtimes.frameworks.vllm.candidates import SUFFIXES, model_folder
from runtimes.frameworks.vllm.contents import contents
from runtimes.frameworks.vllm.endings import ENDINGS
from runtimes.frameworks.vllm.memory import kv_cache_mib, memory
from runtimes.frameworks.vllm.model import (
    FIELD,
    attention_heads,
    check_model,
    described,
    is_folder,
)
from runtimes.frameworks.vllm.options import CONFIG, EXTRA_ARGS, FLAGS, KINDS
from runtimes.frameworks.vllm.requests import BY_RUNNER, DIALECT

TENSOR_PARALLEL = "tensor_parallel_size"
# Run as it is by vLLM's own Python, in a virtual environment or an image.
LAUNCHER = Path(__file__).parents[2] / "engines" / "vllm_server.py"
# Share of a GPU: below its driver's own part no engine starts.
MOST_UTILIZATION = 0.98
LEAST_UTILIZATION = 0.01


class Vllm(Framework):
    name = "vllm"
    fields = CONFIG
    engines = KINDS
    model_key = "model_name"
    file_suffixes = SUFFIXES
    context_key = "max_model_len"
    usual_context = 4096
    context_is_limited = True
    admin_keys = frozenset({EXTRA, "trust_remote_code"})
    weightless_keys = frozenset({*SAMPLING, "served_model_name"})
    gpu_share_key = "gpu_memory_utilization"
    fills_memory = True

    def check(
        self,
        config: Config,
        *,
        model_roots: Sequence[Path],
        gpu_count: int | None = None,
    ) -> list[Problem]:
        problems = [*unknown_keys(config, list(CONFIG)), *bad_values(config, CONFIG)]
        problems += extra_problems(config, EXTRA_ARGS)
        if "model_name" not in config:
            params: dict[str, object] = {"key": "model_name"}
            problems.append(Problem(code="missing_key", field=FIELD, params=params))
        if not any(problem.field == FIELD for problem in problems):
            found = check_model(text_of(config, "model_name"), model_roots)
            problems += [found] if found else []
        if not problems:
            problems += _parallel_problems(config, gpu_count)
            problems += _beyond_engine(config, gpu_count)
        return problems

    def engine(self, config: Config, gpu_count: int) -> str:
        return text_of(config, "engine", _usual(gpu_count))

    def candidates(self, folder: Folder) -> Iterable[Candidate]:
        return model_folder(folder, self.name)

    def knows(self, engine: Engine, architectures: Sequence[str]) -> bool | None:
        return knows(engine, architectures)

    def hub_model(self, config: Config) -> str:
        name = text_of(config, "model_name")
        return "" if is_folder(name) else name

    def contents(self, config: Config) -> Contents | Problem:
        return contents(text_of(config, "model_name"))

    def command(self, config: Config, placement: Placement) -> Command:
        program = placement.program or sys.executable
        return Command(
            argv=(program, "-P", "-", *_arguments(config, placement)),
            env=_environment(placement),
            stdin=f"{LAUNCHER.read_text()}\n\nserve({placement.api_key!r})\n",
        )

    def metrics_path(self, config: Config) -> str:
        return "/metrics"

    def memory(self, config: Config, gpu_count: int) -> Estimate | Problem:
        return memory(config, gpu_count)

    def embeds(self, config: Config) -> bool:
        """As far as the config decides it: left to itself vLLM looks at the model."""
        extra = cast(dict[str, object], config.get(EXTRA, {}))
        return extra.get("runner") == "pooling" and extra.get("convert") != "classify"

    def dialect(self, config: Config) -> EngineDialect:
        extra = cast(dict[str, object], config.get(EXTRA, {}))
        return BY_RUNNER.get(str(extra.get("runner")), DIALECT)

    def metrics(self, text: str) -> EngineMetrics | None:
        return vllm_metrics.read(text)

    def end_reason(self, exit: Exit, log_tail: str) -> str:
        return classify(exit, log_tail, ENDINGS)


def _parallel_problems(config: Config, gpu_count: int | None) -> Iterator[Problem]:
    parts = integer_of(config, TENSOR_PARALLEL, max(gpu_count or 1, 1))
    field = f"config.{TENSOR_PARALLEL}"
    if gpu_count is not None and parts != max(gpu_count, 1):
        params: dict[str, object] = {"value": parts, "gpus": gpu_count}
        yield Problem(code="gpus_disagree", field=field, params=params)
        return
    heads = attention_heads(described(text_of(config, "model_name")))
    if heads is not None and heads % parts:
        params = {"value": parts, "heads": heads}
        yield Problem(code="heads_indivisible", field=field, params=params)


def _beyond_engine(config: Config, gpu_count: int | None) -> Iterator[Problem]:
    engine = text_of(config, "engine", "")
    if engine and gpu_count is not None and kind_of(engine) != _usual(gpu_count):
        params: dict[str, object] = {"engine": engine, "gpus": gpu_count}
        yield Problem(code="engine_and_gpus", field="config.engine", params=params)


def _usual(gpu_count: int) -> str:
    return "vllm" if gpu_count else "vllm-cpu"


def _arguments(config: Config, placement: Placement) -> Iterator[str]:
    yield f"--model={for_engine(cast(str, config['model_name']))}"
    # The platform's name first: it is the one in answers.
    also = text_of(config, "served_model_name", placement.model_name)
    yield from ("--served-model-name", *dict.fromkeys((placement.model_name, also)))
    if placement.socket:
        yield f"--uds={placement.socket}"
    else:
        yield from (f"--host={placement.host}", f"--port={placement.port}")
    yield from ("--disable-uvicorn-access-log", "--disable-fastapi-docs")
    for key in FLAGS:
        if key in config:
            yield _flag(key, config[key])
    for key, value in cast(dict[str, object], config.get(EXTRA, {})).items():
        yield _flag(key, value)
    if placement.gpu_uuids:
        yield f"--tensor-parallel-size={len(placement.gpu_uuids)}"
        share = _utilization(config, placement)
        if share is not None:
            yield f"--gpu-memory-utilization={share:.3f}"
    else:
        yield f"--kv-cache-memory-bytes={kv_cache_mib(config, placement) * 2**20}"


def _flag(key: str, value: object) -> str:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def _utilization(config: Config, placement: Placement) -> float | None:
    """vLLM takes a share of the whole GPU, others' part included. What is booked is the
    most it may take, so that several models get on with one GPU."""
    given = cast("float | None", config.get("gpu_memory_utilization"))
    if not placement.gpu_share_mib or not placement.gpu_total_mib:
        return given
    # Rounded down, to thousandths
    booked = 1000 * placement.gpu_share_mib // placement.gpu_total_mib / 1000
    share = min(booked, MOST_UTILIZATION, given or 1.0)
    return max(share, LEAST_UTILIZATION)


def _environment(placement: Placement) -> dict[str, str]:
    visible = ",".join(placement.gpu_uuids)
    offline = "0" if placement.downloads else "1"
    env = {
        "VLLM_NO_USAGE_STATS": "1",
        # Its own default is 4, as of OpenAI's API.
        "VLLM_MAX_STOP_STRINGS": "128",
        "VLLM_DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": offline,
        "TRANSFORMERS_OFFLINE": offline,
        "CUDA_VISIBLE_DEVICES": visible,
        "HIP_VISIBLE_DEVICES": visible,
    }
    if not placement.gpu_uuids:
        # Left to itself it binds its threads to the same cores as all others do.
        env["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        env["OMP_NUM_THREADS"] = str(placement.cpu_cores)
    return env
