"""Three builds of llama.cpp behind one config: the one in the platform's own
environment, the project's own server, and the Python binding's."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from common.request_fields.dialect import EngineDialect
from runtimes.frameworks.base import Command, Config, Placement
from runtimes.frameworks.fields import Choice, Field, integer_of
from runtimes.frameworks.llamacpp import python_requests
from runtimes.frameworks.llamacpp.options import (
    CACHE_RAM_MIB,
    DEFAULT,
    EXTRA_ARGS,
    LLAMA_SERVER,
    N_CTX,
    N_PARALLEL,
    PYTHON_BINDING,
    build_kind,
)
from runtimes.frameworks.llamacpp.requests import SERVER_DIALECT
from runtimes.frameworks.paths import for_engine

SERVERS = Path(__file__).resolve().parents[2] / "engines"
PASSED_ON = ("n_batch", "embedding", "chat_template")
# llama.cpp's own array of shares; those that are not there have none
MOST_GPUS = 128
STDIN = "/dev/stdin"
PYTHON_METRICS = "/docs"
LISTS_MODELS = '{"object":"list"'
SOCKET_VARIABLE = "LLMPLATFORM_ENGINE_SOCKET"
# python -m llama_cpp.server, on a Unix socket, for which it has no setting, and without
# the monitor's requests of each second in its log
PYTHON_SERVER = f"""\
import functools, logging, os, runpy, uvicorn
uds = os.environ.get("{SOCKET_VARIABLE}")
uvicorn.run = functools.partial(uvicorn.run, uds=uds)
access = logging.getLogger("uvicorn.access")
access.addFilter(lambda record: "GET {PYTHON_METRICS} " not in record.getMessage())
runpy.run_module("llama_cpp.server", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """lacks: keys of config and extra_args that it has no setting for."""

    name: str
    command: Callable[[Config, Placement], Command]
    ready_path: str = "/health"
    metrics_path: str = "/metrics"
    idle_path: str = ""
    lacks: frozenset[str] = frozenset()
    dialect: EngineDialect = SERVER_DIALECT


def build_of(config: Config) -> Build:
    return BUILDS[build_kind(config)]


def _xllamacpp(config: Config, placement: Placement) -> Command:
    shares = [*_even_split(placement)]
    split = {"tensor_split": shares + [0.0] * (MOST_GPUS - len(shares))}
    spec = {
        "host": placement.socket or placement.host,
        "port": placement.port,
        "api_key": placement.api_key,
        "model_name": placement.model_name,
        "settings": {**_settings(config, placement), **(split if shares else {})},
    }
    return Command(
        argv=(
            placement.program or sys.executable,
            *("-P", "-m", "xllamacpp_server"),
        ),
        env={"PYTHONPATH": str(SERVERS), **_visible(placement)},
        stdin=json.dumps(spec),
    )


def _llama_server(config: Config, placement: Placement) -> Command:
    fixed = {
        "host": placement.socket or placement.host,
        "port": placement.port,
        "alias": placement.model_name,
        # One key a line
        "api-key-file": STDIN,
        # Placement has decided what goes where.
        "fit": "off",
        # Its warnings quote the request they are about.
        "log-verbosity": 1,
    }
    switches = ("--metrics", "--no-slots", "--no-webui", "--offline")
    shares = ",".join(f"{share:g}" for share in _even_split(placement))
    options = {**_flags(config, placement), **fixed}
    if shares:
        options["tensor-split"] = shares
    argv = (part for key, value in options.items() for part in (f"--{key}", value))
    return Command(
        argv=(
            placement.program or LLAMA_SERVER,
            *map(str, argv),
            *_switches(config),
            *switches,
        ),
        env=_visible(placement),
        stdin=f"{placement.api_key}\n",
    )


def _llama_cpp_python(config: Config, placement: Placement) -> Command:
    """It serves one request at a time. A new one must not cut the current one off.

    It would keep a number for each token of the context and of the vocabulary, which
    takes GiB of large models, for log probabilities alone: those it has to refuse.
    """
    settings = _settings(config, placement)
    model = {PYTHON_NAMES.get(key, key): value for key, value in settings.items()}
    model["offload_kqv"] = not model.pop("no_kv_offload", False)
    if "flash_attn" in model:
        model["flash_attn"] = model["flash_attn"] == 1
    if shares := [*_even_split(placement)]:
        model["tensor_split"] = shares
    for name in ("n_parallel", "cache_ram_mib"):
        model.pop(name, None)
    model |= {"model_alias": placement.model_name, "verbose": False}
    spec = {
        "host": placement.host,
        "port": placement.port,
        "api_key": placement.api_key,
        "interrupt_requests": False,
        "models": [{**model, "logits_all": False}],
    }
    return Command(
        argv=(
            placement.program or sys.executable,
            *("-P", "-c", PYTHON_SERVER, "--config_file", STDIN),
        ),
        env={**_visible(placement), **_socket_variable(placement)},
        stdin=json.dumps(spec),
    )


def _socket_variable(placement: Placement) -> dict[str, str]:
    return {SOCKET_VARIABLE: placement.socket} if placement.socket else {}


def _settings(config: Config, placement: Placement) -> dict[str, Any]:
    """Attributes of CommonParams, dotted, and their values."""
    extra = cast(dict[str, object], config.get("extra_args", {}))
    requests = requests_at_once(config)
    threads = config.get("n_threads", placement.cpu_cores)
    return {
        "model.path": for_engine(cast(str, config["model_path"])),
        # llama.cpp divides n_ctx among its slots; people mean it for each request.
        "n_ctx": integer_of(config, "n_ctx", N_CTX) * requests,
        "n_parallel": requests,
        "cpuparams.n_threads": threads,
        "cpuparams_batch.n_threads": threads,
        "n_gpu_layers": config.get("n_gpu_layers", -1) if placement.gpu_uuids else 0,
        "cache_ram_mib": CACHE_RAM_MIB,
        **{key: config[key] for key in PASSED_ON if key in config},
        **{key: _number(EXTRA_ARGS[key], value) for key, value in extra.items()},
    }


def requests_at_once(config: Config) -> int:
    most = 1 if build_kind(config) == PYTHON_BINDING else N_PARALLEL
    return integer_of(config, "n_parallel", most)


def _number(field: Field, value: object) -> object:
    return field.numbers[cast(str, value)] if isinstance(field, Choice) else value


def _flags(config: Config, placement: Placement) -> dict[str, object]:
    """Options with a value. Names stay names: only CommonParams takes numbers."""
    extra = cast(Mapping[str, object], config.get("extra_args", {}))
    settings = {**_settings(config, placement), **extra}
    settings["n_gpu_layers"] = _layers(settings["n_gpu_layers"])
    return {
        FLAGS[key]: value
        for key, value in settings.items()
        if key in FLAGS and not isinstance(value, bool)
    }


def _layers(count: object) -> object:
    """Its own -1 means as many as it thinks fit."""
    return "all" if count == -1 else count


def _switches(config: Config) -> Iterator[str]:
    extra = cast(Mapping[str, object], config.get("extra_args", {}))
    for key, (on, off) in SWITCHES.items():
        if key in {**config, **extra}:
            switch = on if {**config, **extra}[key] else off
            yield from [switch] if switch else []


def _even_split(placement: Placement) -> Iterator[float]:
    """As it is booked; left to itself llama.cpp goes by what is free at the moment."""
    if len(placement.gpu_uuids) > 1:
        yield from [1.0] * len(placement.gpu_uuids)


def _visible(placement: Placement) -> dict[str, str]:
    """Empty hides all GPUs: an engine placed on none must not use any."""
    visible = ",".join(placement.gpu_uuids)
    return {"CUDA_VISIBLE_DEVICES": visible, "HIP_VISIBLE_DEVICES": visible}


FLAGS = {
    "model.path": "model",
    "n_ctx": "ctx-size",
    "n_parallel": "parallel",
    "cpuparams.n_threads": "threads",
    "cpuparams_batch.n_threads": "threads-batch",
    "n_gpu_layers": "n-gpu-layers",
    "cache_ram_mib": "cache-ram",
    "n_batch": "batch-size",
    "chat_template": "chat-template",
    "n_ubatch": "ubatch-size",
    "n_keep": "keep",
    "n_cache_reuse": "cache-reuse",
    "cache_type_k": "cache-type-k",
    "cache_type_v": "cache-type-v",
    "flash_attn_type": "flash-attn",
    "pooling_type": "pooling",
    "rope_scaling_type": "rope-scaling",
    "rope_freq_base": "rope-freq-base",
    "rope_freq_scale": "rope-freq-scale",
    "yarn_orig_ctx": "yarn-orig-ctx",
    "yarn_ext_factor": "yarn-ext-factor",
    "yarn_attn_factor": "yarn-attn-factor",
    "yarn_beta_fast": "yarn-beta-fast",
    "yarn_beta_slow": "yarn-beta-slow",
    "split_mode": "split-mode",
    "main_gpu": "main-gpu",
    "reasoning_format": "reasoning-format",
    "slot_prompt_similarity": "slot-prompt-similarity",
}
# Option when true, and when false
SWITCHES = {
    "embedding": ("--embedding", ""),
    "cache_prompt": ("--cache-prompt", "--no-cache-prompt"),
    "cont_batching": ("--cont-batching", "--no-cont-batching"),
    "ctx_shift": ("--context-shift", "--no-context-shift"),
    "swa_full": ("--swa-full", ""),
    "no_kv_offload": ("--no-kv-offload", "--kv-offload"),
    "no_op_offload": ("--no-op-offload", "--op-offload"),
    "use_jinja": ("--jinja", "--no-jinja"),
    "warmup": ("--warmup", "--no-warmup"),
}
PYTHON_NAMES = {
    "model.path": "model",
    "cpuparams.n_threads": "n_threads",
    "cpuparams_batch.n_threads": "n_threads_batch",
    "cache_type_k": "type_k",
    "cache_type_v": "type_v",
    "flash_attn_type": "flash_attn",
}
PYTHON_HAS = {
    *("n_ubatch", "cache_type_k", "cache_type_v", "flash_attn_type", "split_mode"),
    *("main_gpu", "no_kv_offload", "rope_scaling_type", "rope_freq_base"),
    *("rope_freq_scale", "yarn_orig_ctx", "yarn_ext_factor", "yarn_attn_factor"),
    *("yarn_beta_fast", "yarn_beta_slow"),
}
BUILDS = {
    build.name: build
    for build in (
        Build(name=DEFAULT, command=_xllamacpp),
        Build(name=LLAMA_SERVER, command=_llama_server),
        Build(
            name=PYTHON_BINDING,
            command=_llama_cpp_python,
            ready_path="/v1/models",
            # It has no metrics, and while it generates it answers nothing that has to
            # do with its model.
            metrics_path=PYTHON_METRICS,
            # Which has to wait for its turn: once it answers, nothing is in flight.
            idle_path="/v1/models",
            dialect=python_requests.DIALECT,
            lacks=frozenset(
                {"chat_template", "n_parallel", *(EXTRA_ARGS.keys() - PYTHON_HAS)}
            ),
        ),
    )
}
