import ast
import json
import os
from dataclasses import replace

import pytest

from common.problems import Problem
from runtimes.frameworks.base import Placement
from runtimes.frameworks.vllm.framework import Vllm
from runtimes.frameworks.vllm.options import EXTRA_ARGS

VLLM = Vllm()
HERE = {"port": 21000, "api_key": "sesame", "model_name": "smol", "cpu_cores": 3}
ON_CPU = Placement(**HERE, program="/engines/vllm-cpu/bin/python")
ON_GPU = Placement(**HERE, gpu_uuids=("GPU-a",))
ON_GPUS = Placement(**HERE, gpu_uuids=("GPU-a", "GPU-b"))
GUIDE = {
    "model_name": "meta-llama/Llama-2-7b-hf",
    "tensor_parallel_size": 1,
    "max_num_seqs": 256,
    "max_model_len": 2048,
    "gpu_memory_utilization": 0.9,
}


def shared(mib, of):
    return Placement(**HERE, gpu_uuids=("GPU-a",), gpu_share_mib=mib, gpu_total_mib=of)


def argv(placement=ON_GPU, **config):
    config = {"model_name": "org/name", **config}
    return VLLM.command(config, placement).argv


def value_of(option, arguments):
    [found] = [w.partition("=")[2] for w in arguments if w.startswith(f"--{option}=")]
    return found


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "smol"
    made.mkdir()
    (made / "config.json").write_text('{"num_attention_heads": 9}')
    (made / "model.safetensors").write_bytes(bytes(3 * 2**20))
    return made


def problems(config, roots=(), gpu_count=None):
    found = VLLM.check(config, model_roots=[*roots], gpu_count=gpu_count)
    return [(problem.code, problem.field) for problem in found]


def test_config_of_the_guide_is_good():
    assert problems(GUIDE) == []
    assert problems(GUIDE, gpu_count=1) == []


@pytest.mark.parametrize(
    ("config", "code", "field"),
    [
        ({"tensor_parallel_size": 0}, "out_of_range", "tensor_parallel_size"),
        ({"max_num_seqs": 0}, "out_of_range", "max_num_seqs"),
        ({"max_model_len": "2k"}, "wrong_type", "max_model_len"),
        ({"gpu_memory_utilization": 0}, "out_of_range", "gpu_memory_utilization"),
        ({"gpu_memory_utilization": 1.1}, "out_of_range", "gpu_memory_utilization"),
        ({"dtype": "int3"}, "wrong_type", "dtype"),
        ({"quantization": "--port=1"}, "wrong_type", "quantization"),
        ({"kv_cache_dtype": "a b"}, "wrong_type", "kv_cache_dtype"),
        ({"enforce_eager": 1}, "wrong_type", "enforce_eager"),
        ({"served_model_name": "--host"}, "wrong_type", "served_model_name"),
        ({"served_model_name": ""}, "wrong_type", "served_model_name"),
        ({"trust_remote_code": "yes"}, "wrong_type", "trust_remote_code"),
        ({"n_ctx": 5}, "unknown_key", "n_ctx"),
        ({"extra_args": []}, "wrong_type", "extra_args"),
        ({"extra_args": {"seed": -1}}, "out_of_range", "extra_args.seed"),
        ({"extra_args": {"load_format": "/x"}}, "wrong_type", "extra_args.load_format"),
    ],
)
def test_bad_config_is_named(config, code, field):
    assert problems({**GUIDE, **config}) == [(code, f"config.{field}")]


@pytest.mark.parametrize(
    "name",
    [
        *("host", "port", "uds", "api_key", "ssl_keyfile", "root_path", "middleware"),
        *("model", "tokenizer", "revision", "download_dir", "hf_token", "hf_overrides"),
        *("chat_template", "tool_parser_plugin", "logits_processors", "config"),
        *("log_config_file", "enable_log_requests", "enable_log_outputs"),
        *("allowed_local_media_path", "worker_cls", "kv_transfer_config"),
        *("lora_modules", "speculative_config", "compilation_config"),
        *("tensor_parallel_size", "data_parallel_size", "served_model_name"),
        *("otlp_traces_endpoint", "profiler_config", "max-logprobs", "seed=1 --port"),
    ],
)
def test_extra_args_outside_the_list_are_refused(name):
    [problem] = VLLM.check({**GUIDE, "extra_args": {name: "x"}}, model_roots=[])
    assert problem == Problem(
        code="not_allowed",
        field=f"config.extra_args.{name}",
        params={"key": f"extra_args.{name}", "allowed": list(EXTRA_ARGS)},
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("org/name", None),
        ("meta-llama/Llama-2-7b-hf", None),
        (5, "wrong_type"),
        ("", "wrong_type"),
        ("name", "wrong_type"),
        ("org/name/more", "wrong_type"),
        ("../name", "wrong_type"),
        ("org/..", "wrong_type"),
        ("./models", "wrong_type"),
        ("--host/x", "wrong_type"),
        ("org/a b", "wrong_type"),
        ("s3://bucket", "wrong_type"),
        ("/etc", "path_outside_roots"),
        ("{root}/../x", "path_outside_roots"),
        ("{root}/gone", "file_missing"),
        ("{root}/smol/config.json", "not_a_folder"),
        ("{root}/smol", None),
    ],
)
def test_model_name_is_a_folder_or_an_id(folder, name, code):
    if isinstance(name, str):
        name = name.format(root=folder.parent)
    expected = [(code, "config.model_name")] if code else []
    assert problems({"model_name": name}, [folder.parent]) == expected


def test_model_name_is_required():
    assert problems({}) == [("missing_key", "config.model_name")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "file_missing"),
        ("{", "bad_model_config"),
        ("[]", "bad_model_config"),
        ("[" * 100_000, "bad_model_config"),
        ('{"a": "' + "x" * 10 * 2**20 + '"}', "bad_model_config"),
        ('{"text_config": {}}', None),
    ],
    ids=["missing", "cut", "list", "deep", "huge", "good"],
)
def test_description_of_a_folder_is_read_with_care(folder, content, code):
    (folder / "config.json").unlink()
    if content is not None:
        (folder / "config.json").write_text(content)
    expected = [(code, "config.model_name")] if code else []
    assert problems({"model_name": str(folder)}, [folder.parent]) == expected


def test_description_that_never_ends_is_not_read(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    expected = [("bad_model_config", "config.model_name")]
    assert problems({"model_name": str(folder)}, [folder.parent]) == expected


def test_folder_without_weights_is_reported(folder):
    (folder / "model.safetensors").unlink()
    expected = [("no_weights", "config.model_name")]
    assert problems({"model_name": str(folder)}, [folder.parent]) == expected


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_links_may_not_lead_out_of_the_model_folders(folder, tmp_path, name):
    secret = tmp_path / "secret"
    secret.write_text('{"a": 1}')
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    config = {"model_name": str(folder)}
    assert problems(config, [folder]) == [("path_outside_roots", "config.model_name")]
    assert problems(config, [tmp_path]) == []


@pytest.mark.parametrize(
    ("parts", "gpu_count", "code"),
    [
        (None, None, None),
        (None, 0, None),
        (None, 3, None),
        (1, 0, None),
        (3, 3, None),
        (3, None, None),
        (None, 2, "heads_indivisible"),
        (2, 2, "heads_indivisible"),
        (2, None, "heads_indivisible"),
        (2, 0, "gpus_disagree"),
        (1, 2, "gpus_disagree"),
        (3, 1, "gpus_disagree"),
    ],
)
def test_parts_are_the_gpus_and_share_the_heads(folder, parts, gpu_count, code):
    config = {"model_name": str(folder)}
    config |= {"tensor_parallel_size": parts} if parts else {}
    expected = [(code, "config.tensor_parallel_size")] if code else []
    assert problems(config, [folder.parent], gpu_count) == expected


def test_heads_of_the_part_that_writes_count(folder):
    description = {"vision_config": {}, "text_config": {"num_attention_heads": 4}}
    (folder / "config.json").write_text(json.dumps(description))
    config = {"model_name": str(folder)}
    assert problems(config, [folder.parent], 2) == []
    assert problems(config, [folder.parent], 3) != []


def test_command_is_a_list_of_options():
    assert VLLM.command(GUIDE, ON_GPUS).argv[1:] == (
        *("-P", "-"),
        "--model=meta-llama/Llama-2-7b-hf",
        *("--served-model-name", "smol"),
        *("--host=127.0.0.1", "--port=21000"),
        *("--disable-uvicorn-access-log", "--disable-fastapi-docs"),
        *("--max-num-seqs=256", "--max-model-len=2048"),
        *("--tensor-parallel-size=2", "--gpu-memory-utilization=0.900"),
    )


@pytest.mark.parametrize("key", ["sesame", 'it\'s "so"\\\n\u00fc'])
def test_key_is_in_the_program_on_standard_input_alone(key):
    command = VLLM.command(GUIDE, replace(ON_GPU, api_key=key))
    assert "sesame" not in repr((command.argv, command.env))
    *_, call = ast.parse(command.stdin).body
    assert ast.unparse(call) == f"serve({key!r})"


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (ON_GPUS, {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b", "HF_HUB_OFFLINE": "1"}),
        (ON_GPU, {"VLLM_NO_USAGE_STATS": "1", "TRANSFORMERS_OFFLINE": "1"}),
        (ON_CPU, {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "3"}),
        (Placement(**HERE, downloads=True), {"HF_HUB_OFFLINE": "0"}),
    ],
)
def test_environment(placement, expected):
    assert VLLM.command(GUIDE, placement).env.items() >= expected.items()


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        ({"enforce_eager": True}, {"--enforce-eager"}),
        ({"enable_prefix_caching": False}, {"--no-enable-prefix-caching"}),
        ({"kv_cache_dtype": "fp8"}, {"--kv-cache-dtype=fp8"}),
        ({"served_model_name": "org/it"}, {"--served-model-name", "smol", "org/it"}),
        ({"extra_args": {"max_logprobs": 5}}, {"--max-logprobs=5"}),
        ({"extra_args": {"async_scheduling": False}}, {"--no-async-scheduling"}),
    ],
)
def test_settings_are_passed_on(config, arguments):
    assert arguments <= set(argv(**config))


def test_sampling_is_for_requests_and_not_for_the_engine():
    config = {**GUIDE, "temperature": 0.7, "top_p": 1}
    assert problems(config) == []
    assert VLLM.sampling(config) == {"temperature": 0.7, "top_p": 1.0}
    assert "0.7" not in repr(argv(**config))


@pytest.mark.parametrize(
    ("placement", "given", "share"),
    [
        (ON_GPU, 0.5, "0.500"),
        (shared(8192, 81920), None, "0.100"),
        (shared(8191, 81920), None, "0.099"),
        (shared(8192, 81920), 0.9, "0.100"),
        (shared(81920, 81920), 0.9, "0.900"),
        (shared(81920, 81920), None, "0.980"),
        (shared(1, 81920), None, "0.010"),
        (shared(8192, 0), 0.4, "0.400"),
    ],
)
def test_share_of_the_gpu_is_what_was_booked(placement, given, share):
    config = {"gpu_memory_utilization": given} if given else {}
    assert value_of("gpu-memory-utilization", argv(placement, **config)) == share


def test_engine_decides_where_nothing_is_set():
    assert "utilization" not in repr(argv(ON_GPU))


@pytest.mark.parametrize(
    ("memory_mib", "cache_mib"),
    [(0, 1024), (4096, 4096 - 2048 - 3), (100, 256)],
)
def test_cache_on_the_processor_is_what_memory_leaves(folder, memory_mib, cache_mib):
    placement = Placement(**HERE, memory_mib=memory_mib)
    arguments = argv(placement, model_name=str(folder), gpu_memory_utilization=0.9)
    assert value_of("kv-cache-memory-bytes", arguments) == str(cache_mib * 2**20)
    assert "utilization" not in repr(arguments)


@pytest.mark.parametrize(
    ("engine", "gpus", "fits"),
    [
        ("vllm", 1, True),
        ("vllm@nightly", 2, True),
        ("vllm-cpu", 0, True),
        ("vllm", 0, False),
        ("vllm-cpu@old", 1, False),
    ],
)
def test_engine_that_is_named_has_to_fit_the_gpus(engine, gpus, fits):
    config = {"model_name": "org/model", "engine": engine}
    found = VLLM.check(config, model_roots=[], gpu_count=gpus)
    assert [p.code for p in found] == ([] if fits else ["engine_and_gpus"])
    assert VLLM.engine(config, gpus or 0) == engine


@pytest.mark.parametrize(
    "engine", ["vllm@", "vllm@../x", "xllamacpp", "", 1, "vllm@a b"]
)
def test_engine_has_to_be_one_of_its_own(engine):
    config = {"model_name": "org/model", "engine": engine}
    [problem] = VLLM.check(config, model_roots=[])
    assert (problem.code, problem.field) == ("wrong_type", "config.engine")


@pytest.mark.parametrize(("gpus", "engine"), [(0, "vllm-cpu"), (1, "vllm")])
def test_engine_depends_on_where_it_runs(gpus, engine):
    assert VLLM.engine(GUIDE, gpus) == engine


def test_id_of_a_hub_is_distinguished_from_a_folder():
    assert VLLM.hub_model(GUIDE) == "meta-llama/Llama-2-7b-hf"
    assert VLLM.hub_model({"model_name": "/models/x"}) == ""


@pytest.mark.parametrize(
    ("extra", "embeds"),
    [
        (None, False),
        ({"runner": "auto"}, False),
        ({"runner": "generate"}, False),
        ({"runner": "pooling"}, True),
        ({"runner": "pooling", "convert": "embed"}, True),
        ({"runner": "pooling", "convert": "classify"}, False),
    ],
)
def test_pooling_models_make_embeddings(extra, embeds):
    config = {"model_name": "org/name"} | ({"extra_args": extra} if extra else {})
    assert VLLM.embeds(config) is embeds
