import json
import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.frameworks.base import Exit, Placement
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.llamacpp.options import EXTRA_ARGS

LLAMA = LlamaCpp()
ROOT = Path(__file__).parents[4]
PLACEMENT = Placement(port=21000, api_key="sesame", model_name="smol", cpu_cores=3)
ON_GPUS = Placement(
    port=21000,
    api_key="sesame",
    model_name="smol",
    cpu_cores=1,
    gpu_uuids=("GPU-a", "GPU-b"),
)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "smol.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0")
    return path


def problems_of(model, **config):
    config = {"model_path": str(model), **config}
    problems = LLAMA.check(config, model_roots=[model.parent])
    return [(problem.code, problem.field) for problem in problems]


def settings_of(placement=PLACEMENT, **config):
    command = LLAMA.command({"model_path": "/models/m.gguf", **config}, placement)
    return json.loads(command.stdin)["settings"]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"n_ctx": 1_048_576, "n_threads": 1024, "n_gpu_layers": -1},
        {"temperature": 0, "top_p": 1, "n_parallel": 256, "n_batch": 1},
        {"embedding": True, "chat_template": "{{ messages }}", "extra_args": {}},
        {"extra_args": {"cache_type_k": "q8_0", "flash_attn_type": "auto"}},
        {"extra_args": {"rope_freq_base": 10000, "cont_batching": False}},
        {"chat_template": "{% for m in messages %}{% endfor %}"},
        {"chat_template": "chatml"},
        {"chat_template": "llama3", "extra_args": {"use_jinja": False}},
    ],
)
def test_good_config_has_no_problems(model, config):
    assert problems_of(model, **config) == []


@pytest.mark.parametrize(
    ("config", "code", "field"),
    [
        ({"n_ctx": 0}, "out_of_range", "n_ctx"),
        ({"chat_template": "no-such"}, "unknown_chat_template", "chat_template"),
        ({"chat_template": ""}, "unknown_chat_template", "chat_template"),
        ({"chat_template": "llama3"}, "unknown_chat_template", "chat_template"),
        (
            {"chat_template": "no-such", "extra_args": {"use_jinja": False}},
            "unknown_chat_template",
            "chat_template",
        ),
        ({"n_ctx": 1_048_577}, "out_of_range", "n_ctx"),
        ({"n_ctx": "2048"}, "wrong_type", "n_ctx"),
        ({"n_ctx": True}, "wrong_type", "n_ctx"),
        ({"n_threads": 0}, "out_of_range", "n_threads"),
        ({"n_gpu_layers": -2}, "out_of_range", "n_gpu_layers"),
        ({"temperature": 2.1}, "out_of_range", "temperature"),
        ({"temperature": float("nan")}, "out_of_range", "temperature"),
        ({"top_p": 0}, "out_of_range", "top_p"),
        ({"n_parallel": 257}, "out_of_range", "n_parallel"),
        ({"n_batch": 0}, "out_of_range", "n_batch"),
        ({"embedding": 1}, "wrong_type", "embedding"),
        ({"chat_template": "x" * 65_537}, "out_of_range", "chat_template"),
        ({"n_ctxx": 5}, "unknown_key", "n_ctxx"),
        ({"extra_args": []}, "wrong_type", "extra_args"),
        ({"extra_args": {"n_ubatch": 0}}, "out_of_range", "extra_args.n_ubatch"),
        ({"extra_args": {"cache_type_k": 8}}, "wrong_type", "extra_args.cache_type_k"),
    ],
)
def test_bad_config_is_named(model, config, code, field):
    assert problems_of(model, **config) == [(code, f"config.{field}")]


def test_all_problems_are_reported_at_once(model):
    assert problems_of(model, nctx=1, n_ctx=0, top_p="x") == [
        ("unknown_key", "config.nctx"),
        ("out_of_range", "config.n_ctx"),
        ("wrong_type", "config.top_p"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("hostnames", "port", "api_keys", "reuse_port", "endpoint_slots", "ui"),
        *("verbosity", "log_json", "path_prompts_log_dir", "slot_save_path"),
        *("model", "model.path", "mmproj", "lora_adapters", "ssl_file_key"),
        *("public_path", "server_tools", "mcp_servers_config", "n_ctx", "n_parallel"),
        *("media_path", "models_dir", "fit_params", "offline", "__class__"),
    ],
)
def test_extra_args_outside_the_list_are_refused(model, name):
    problem = LLAMA.check(
        {"model_path": str(model), "extra_args": {name: "x"}},
        model_roots=[model.parent],
    )[0]
    assert problem.code == "not_allowed"
    assert problem.field == f"config.extra_args.{name}"
    assert problem.params == {
        "key": f"extra_args.{name}", "allowed": list(EXTRA_ARGS),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, "missing_key"),
        ({"model_path": 5}, "wrong_type"),
        ({"model_path": "a\0b"}, "wrong_type"),
        ({"model_path": "/etc/passwd"}, "path_outside_roots"),
        ({"model_path": "{root}/nope.gguf"}, "file_missing"),
    ],
)
def test_model_path_has_exactly_one_problem(model, config, code):
    config = {
        key: value.format(root=model.parent) if isinstance(value, str) else value
        for key, value in config.items()
    }
    [problem] = LLAMA.check(config, model_roots=[model.parent])
    assert (problem.code, problem.field) == (code, "config.model_path")


def test_command_keeps_the_key_out_of_sight():
    command = LLAMA.command({"model_path": "/models/m.gguf"}, PLACEMENT)
    assert "sesame" not in repr(command.argv) + repr(command.env)
    assert json.loads(command.stdin)["api_key"] == "sesame"


def test_command_has_address_and_name_of_the_engine():
    spec = json.loads(LLAMA.command({"model_path": "/m.gguf"}, PLACEMENT).stdin)
    del spec["settings"]
    assert spec == {
        "host": "127.0.0.1", "port": 21000, "api_key": "sesame", "model_name": "smol",
    }  # fmt: skip


def test_command_has_defaults_for_everything_left_out():
    assert settings_of() == {
        "model.path": "/models/m.gguf",
        "n_ctx": 2048 * 4,
        "n_parallel": 4,
        "cpuparams.n_threads": 3,
        "cpuparams_batch.n_threads": 3,
        "n_gpu_layers": 0,
        "cache_ram_mib": 256,
    }


@pytest.mark.parametrize(
    ("placement", "config", "expected"),
    [
        (PLACEMENT, {"n_ctx": 512, "n_parallel": 2}, {"n_ctx": 1024, "n_parallel": 2}),
        (PLACEMENT, {"n_threads": 8}, {"cpuparams.n_threads": 8}),
        (PLACEMENT, {"n_gpu_layers": 20}, {"n_gpu_layers": 0}),
        (ON_GPUS, {"n_gpu_layers": 20}, {"n_gpu_layers": 20}),
        (ON_GPUS, {}, {"n_gpu_layers": -1}),
        (PLACEMENT, {"n_batch": 64, "embedding": True}, {"n_batch": 64}),
        (PLACEMENT, {"extra_args": {"cache_ram_mib": 0}}, {"cache_ram_mib": 0}),
        (PLACEMENT, {"extra_args": {"cache_type_v": "bf16"}}, {"cache_type_v": 30}),
    ],
)
def test_command_passes_settings_on(placement, config, expected):
    assert settings_of(placement, **config).items() >= expected.items()


@pytest.mark.parametrize(
    ("placement", "visible"), [(PLACEMENT, ""), (ON_GPUS, "GPU-a,GPU-b")]
)
def test_engine_sees_its_gpus_only(placement, visible):
    env = LLAMA.command({"model_path": "/m.gguf"}, placement).env
    assert env["CUDA_VISIBLE_DEVICES"] == env["HIP_VISIBLE_DEVICES"] == visible


def test_cpu_cores_are_the_threads_or_half_of_the_machine():
    assert LLAMA.cpu_cores({"n_threads": 5}) == 5
    assert LLAMA.cpu_cores({}) >= 1


@pytest.mark.parametrize(
    ("config", "sampling"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": 0.7, "top_p": 1}, {"temperature": 0.7, "top_p": 1.0}),
    ],
)
def test_sampling_holds_what_was_given(config, sampling):
    assert LLAMA.sampling(config) == sampling


METRICS = """# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing {processing}
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred {deferred}
"""


@pytest.mark.parametrize(
    ("metrics", "count"),
    [
        (METRICS.format(processing=4, deferred=26), 30),
        (METRICS.format(processing=0, deferred=0), 0),
        (METRICS.format(processing="1e+01", deferred=0), 10),
        (METRICS.format(processing="nan", deferred=0), None),
        (METRICS.format(processing="inf", deferred=0), None),
        (METRICS.format(processing="x", deferred=0), None),
        ("llamacpp:requests_processing 4\n", None),
        ('{"error":{"code":503,"message":"Loading model"}}', None),
        ("", None),
    ],
)
def test_in_flight_is_read_from_metrics(metrics, count):
    assert LLAMA.in_flight(metrics) == count


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("couldn't bind HTTP server socket, hostname: 127.0.0.1", "port_in_use"),
        ("cannot listen on 127.0.0.1:21000: Address already in use", "port_in_use"),
        ("CUDA error: out of memory", "out_of_gpu_memory"),
        ("cudaMalloc failed: out of memory", "out_of_gpu_memory"),
        ("failed to allocate CUDA0 buffer of size 9", "out_of_gpu_memory"),
        ("ErrorOutOfDeviceMemory", "out_of_gpu_memory"),
        ("insufficient memory (attempted to allocate 9 MB)", "out_of_memory"),
        ("failed to allocate CPU buffer of size 23044423680", "out_of_memory"),
        ("terminate called: std::bad_alloc", "out_of_memory"),
        ("failed to open GGUF file '/m' (No such file)", "model_file_missing"),
        ("cannot open model /m: Permission denied", "model_file_missing"),
        ("CUDA error: device is busy or unavailable", "gpu_lost"),
        ("vk::Queue::submit: ErrorDeviceLost", "gpu_lost"),
        ("tensor data is not within the file bounds", "model_file_damaged"),
        ("Failed to load model from file: /m", "bad_config"),
        ("Model path does not exist: /m", "model_file_missing"),
        ("error: invalid argument: --fit", "bad_argument"),
        ("No module named llama_cpp", "engine_broken"),
        ("init: chat template parsing error: std::exception", "bad_config"),
        ("bad setting n_ubatch: an integer is required", "bad_argument"),
        ("shim: cannot execute the engine: [Errno 2] No such file", "bad_config"),
    ],
)
def test_end_reason_is_read_from_the_log(line, reason):
    # Every failed start ends with these lines, and hidden GPUs are always told of.
    log = f"ggml_cuda_init: no CUDA-capable device is detected\n{line}\n"
    if not line.startswith("shim"):
        log += "failed to load model, '/models/m.gguf'\n"
    assert LLAMA.end_reason(Exit(code=1, signal=None), log) == reason


def test_frameworks_import_no_django():
    check = (
        "import sys, runtimes.frameworks.llamacpp.framework, runtimes.drivers.process\n"
        "sys.exit('django' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False)
    assert done.returncode == 0
