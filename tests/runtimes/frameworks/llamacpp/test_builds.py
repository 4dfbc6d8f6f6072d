import json
import os
import subprocess
import sys
from itertools import pairwise

import pytest

from runtimes.frameworks.base import Placement
from runtimes.frameworks.llamacpp.builds import BUILDS, FLAGS, PYTHON_SERVER, SWITCHES
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.llamacpp.options import ENGINES, EXTRA_ARGS

LLAMA = LlamaCpp()
HERE = {"port": 21000, "api_key": "sesame", "model_name": "smol", "cpu_cores": 3}
ON_CPU = Placement(**HERE, program="/engines/it")
ON_GPUS = Placement(**HERE, gpu_uuids=("GPU-a", "GPU-b"))
ON_GPU = Placement(**HERE, gpu_uuids=("GPU-a",))


def command(engine, placement=ON_CPU, **config):
    config = {"model_path": "/models/m.gguf", "engine": engine, **config}
    return LLAMA.command(config, placement)


def options(placement=ON_CPU, **config):
    """Of llama-server: values by option, and options without one."""
    argv = command("llama-server", placement, **config).argv[1:]
    values = {a: b for a, b in pairwise(argv) if a[:2] == "--"}
    return values, set(argv)


def of_python(placement=ON_CPU, **config):
    [model] = json.loads(command("llama-cpp-python", placement, **config).stdin)[
        "models"
    ]
    return model


def test_builds_are_those_a_config_may_name():
    assert tuple(BUILDS) == ENGINES
    assert LLAMA.engine({}, 0) == "xllamacpp"
    assert LLAMA.engine({"engine": "llama-server"}, 1) == "llama-server"


@pytest.mark.parametrize("engine", ENGINES)
def test_key_is_given_by_standard_input_alone(engine):
    found = command(engine)
    assert found.argv[0] == "/engines/it"
    assert "sesame" not in repr(found.argv) + repr(found.env)
    assert "sesame" in found.stdin


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("placement", "visible"), [(ON_CPU, ""), (ON_GPUS, "GPU-a,GPU-b")]
)
def test_engine_sees_its_gpus_only(engine, placement, visible):
    env = command(engine, placement).env
    assert env["CUDA_VISIBLE_DEVICES"] == env["HIP_VISIBLE_DEVICES"] == visible


def test_llama_server_is_given_everything_as_options():
    found = command("llama-server")
    assert found.argv == (
        *("/engines/it", "--model", "/models/m.gguf", "--ctx-size", "8192"),
        *("--parallel", "4", "--threads", "3", "--threads-batch", "3"),
        *("--n-gpu-layers", "0", "--cache-ram", "256"),
        *("--host", "127.0.0.1", "--port", "21000", "--alias", "smol"),
        *("--api-key-file", "/dev/stdin", "--fit", "off", "--log-verbosity", "1"),
        *("--metrics", "--no-slots", "--no-webui", "--offline"),
    )
    assert found.stdin == "sesame\n"


@pytest.mark.parametrize(
    ("placement", "config", "option", "value"),
    [
        (ON_GPU, {}, "--n-gpu-layers", "all"),
        (ON_GPU, {"n_gpu_layers": 20}, "--n-gpu-layers", "20"),
        (ON_CPU, {"n_gpu_layers": 20}, "--n-gpu-layers", "0"),
        (ON_GPUS, {}, "--tensor-split", "1,1"),
        (ON_CPU, {"n_ctx": 512, "n_parallel": 2}, "--ctx-size", "1024"),
        (ON_CPU, {"extra_args": {"cache_type_k": "q8_0"}}, "--cache-type-k", "q8_0"),
        (ON_CPU, {"extra_args": {"flash_attn_type": "on"}}, "--flash-attn", "on"),
        (ON_CPU, {"extra_args": {"cache_ram_mib": 0}}, "--cache-ram", "0"),
        (ON_GPUS, {"extra_args": {"main_gpu": 1}}, "--main-gpu", "1"),
        (ON_CPU, {"chat_template": "--port"}, "--chat-template", "--port"),
    ],
)
def test_llama_server_has_an_option_for_it(placement, config, option, value):
    assert options(placement, **config)[0][option] == value


@pytest.mark.parametrize(
    ("config", "switch"),
    [
        ({"embedding": True}, "--embedding"),
        ({"extra_args": {"warmup": False}}, "--no-warmup"),
        ({"extra_args": {"warmup": True}}, "--warmup"),
        ({"extra_args": {"no_kv_offload": True}}, "--no-kv-offload"),
    ],
)
def test_llama_server_has_a_switch_for_it(config, switch):
    assert switch in options(**config)[1]


def test_switches_that_are_off_by_nature_are_left_out():
    assert "--swa-full" not in options(extra_args={"swa_full": False})[1]


def test_every_extra_arg_reaches_llama_server():
    assert EXTRA_ARGS.keys() - FLAGS.keys() - SWITCHES.keys() == set()


def test_python_binding_gets_everything_in_its_names():
    assert command("llama-cpp-python").argv == (
        "/engines/it", "-P", "-c", PYTHON_SERVER, "--config_file", "/dev/stdin",
    )  # fmt: skip
    assert json.loads(command("llama-cpp-python").stdin) == {
        "host": "127.0.0.1",
        "port": 21000,
        "api_key": "sesame",
        "interrupt_requests": False,
        "models": [
            {
                "model": "/models/m.gguf",
                "model_alias": "smol",
                "n_ctx": 2048,
                "n_threads": 3,
                "n_threads_batch": 3,
                "n_gpu_layers": 0,
                "offload_kqv": True,
                "verbose": False,
                "logits_all": False,
            }
        ],
    }


@pytest.mark.parametrize(
    ("placement", "config", "expected"),
    [
        (ON_GPU, {}, {"n_gpu_layers": -1}),
        (ON_GPUS, {}, {"tensor_split": [1.0, 1.0]}),
        (ON_CPU, {"extra_args": {"cache_type_k": "q8_0"}}, {"type_k": 8}),
        (ON_CPU, {"extra_args": {"flash_attn_type": "on"}}, {"flash_attn": True}),
        (ON_CPU, {"extra_args": {"flash_attn_type": "auto"}}, {"flash_attn": False}),
        (ON_CPU, {"extra_args": {"no_kv_offload": True}}, {"offload_kqv": False}),
        (ON_CPU, {"embedding": True, "n_batch": 64}, {"embedding": True}),
    ],
)
def test_python_binding_has_a_setting_for_it(placement, config, expected):
    assert of_python(placement, **config).items() >= expected.items()


def test_several_gpus_get_equal_parts():
    spec = json.loads(command("xllamacpp", ON_GPUS).stdin)
    split = spec["settings"]["tensor_split"]
    assert (split[:3], len(split)) == ([1.0, 1.0, 0.0], 128)
    assert "tensor_split" not in command("xllamacpp", ON_GPU).stdin


@pytest.mark.parametrize(
    ("engine", "ready", "metrics"),
    [
        ("xllamacpp", "/health", "/metrics"),
        ("llama-server", "/health", "/metrics"),
        ("llama-cpp-python", "/v1/models", "/docs"),
    ],
)
def test_paths_depend_on_the_build(engine, ready, metrics):
    config = {"engine": engine}
    assert (LLAMA.ready_path(config), LLAMA.metrics_path(config)) == (ready, metrics)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "smol.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0")
    return path


def problems(model, gpu_count=None, **config):
    config = {"model_path": str(model), **config}
    found = LLAMA.check(config, model_roots=[model.parent], gpu_count=gpu_count)
    return [(problem.code, problem.field) for problem in found]


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"n_parallel": 2}, "n_parallel"),
        ({"chat_template": "{{ x }}"}, "chat_template"),
        ({"extra_args": {"swa_full": True}}, "extra_args.swa_full"),
    ],
)
def test_what_a_build_lacks_is_named(model, config, key):
    expected = [("not_with_engine", f"config.{key}")]
    assert problems(model, engine="llama-cpp-python", **config) == expected
    assert problems(model, engine="llama-server", **config) == []


def test_unknown_engine_is_refused(model):
    assert problems(model, engine="/bin/sh") == [("wrong_type", "config.engine")]


@pytest.mark.parametrize(
    ("gpu_count", "main_gpu", "good"),
    [(None, 3, True), (0, 0, True), (2, 1, True), (2, 2, False), (0, 1, False)],
)
def test_main_gpu_is_one_of_those_given(model, gpu_count, main_gpu, good):
    found = problems(model, gpu_count, extra_args={"main_gpu": main_gpu})
    assert found == ([] if good else [("out_of_range", "config.extra_args.main_gpu")])


SPEAKS = """
import logging, logging.config, sys, uvicorn.config
logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
for path in ("/docs", "/v1/models"):
    record = ("127.0.0.1:1", "GET", path, "1.1", 200)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *record)
print(__name__, *sys.argv[1:])
"""


def test_log_of_the_python_binding_is_not_drowned_by_the_monitor(tmp_path):
    (tmp_path / "llama_cpp/server").mkdir(parents=True)
    (tmp_path / "llama_cpp/server/__main__.py").write_text(SPEAKS)
    done = subprocess.run(
        [sys.executable, "-P", "-c", PYTHON_SERVER, "--config_file", "x"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=30,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "__main__ --config_file x"
    assert ['"GET /v1/models HTTP/1.1" 200 OK' in line for line in lines] == [1, 0]
