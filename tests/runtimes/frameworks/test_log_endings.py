"""What engines really wrote when they were made to fail: xllamacpp 2026.10, the server
of llama-cpp-python, vLLM 0.32 for CPUs. Traces of the calls are left out."""

import pytest

from runtimes.frameworks.base import Exit
from runtimes.frameworks.endings import cause_line
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.vllm.framework import Vllm

FAILED = """\
0.00.005.282 E llama_model_load_from_file_impl: failed to load model
0.00.005.289 E cmn  common_init_: failed to load model '/models/m.gguf'
0.00.005.295 E srv    load_model: failed to load model, '/models/m.gguf'
0.00.007.439 E srv          init: exiting due to model loading error
xllamacpp_server: cannot start: Failed to init server, please check the input params.
"""
USAGE = """\
                   [--disable_ping_events DISABLE_PING_EVENTS]
                   [--root_path ROOT_PATH] [--config_file CONFIG_FILE]
"""
LLAMACPP = {
    "no file": (
        "xllamacpp_server: cannot start: cannot open model /models/none.gguf: No such"
        " file or directory\n",
        "model_file_missing",
    ),
    "no file, Python": (
        "ValueError: Model path does not exist: /models/none.gguf\n",
        "model_file_missing",
    ),
    "folder": (
        "xllamacpp_server: cannot start: cannot open model /tmp: Is a directory\n",
        "model_file_missing",
    ),
    "no GGUF": (
        "0.00.009.527 E gguf_init_from_reader: invalid magic characters: 'not ',"
        f" expected 'GGUF'\n{FAILED}",
        "model_file_damaged",
    ),
    "cut off": (
        "0.00.074.784 E llama_model_load: error loading model: tensor"
        " 'blk.15.attn_output.weight' data is not within the file bounds, model is"
        f" corrupted or incomplete\n{FAILED}",
        "model_file_damaged",
    ),
    "tensors astray": (
        "0.00.005.132 E gguf_init_from_reader: tensor 'blk.0.attn_q.weight' has offset"
        " 320, expected 2560\n0.00.005.161 E gguf_init_from_reader: failed to read"
        f" tensor data\n{FAILED}",
        "model_file_damaged",
    ),
    "unknown tokenizer": (
        "0.00.202.927 E llama_model_load: error loading model: error loading model"
        f" vocabulary: unknown pre-tokenizer type: 'martia'\n{FAILED}",
        "unknown_architecture",
    ),
    "unknown architecture": (
        "0.00.012.666 E llama_model_load: error loading model: unknown model"
        f" architecture: 'martian'\n{FAILED}",
        "unknown_architecture",
    ),
    "empty header": (
        "0.00.012.666 E llama_model_load: error loading model: unknown model"
        f" architecture: ''\n{FAILED}",
        "bad_config",
    ),
    "any bad file, Python": (
        "ValueError: Failed to load model from file: /models/junk.gguf\n",
        "bad_config",
    ),
    "port": (
        "xllamacpp_server: cannot start: cannot listen on 127.0.0.1:38737: Address"
        " already in use\n",
        "port_in_use",
    ),
    "port, Python": (
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1',"
        " 36535): address already in use\nINFO:     Waiting for application shutdown.\n"
        "INFO:     Application shutdown complete.\n",
        "port_in_use",
    ),
    "chat template": (
        "0.01.540.566 E common_chat_templates_init: error: Unknown statement: broken\n"
        "0.01.553.104 E srv          init: init: chat template parsing error:"
        f" std::exception\n{FAILED}",
        "bad_config",
    ),
    "package": (
        "xllamacpp_server: bad setting: cannot import xllamacpp: No module named"
        " 'xllamacpp'\n",
        "engine_broken",
    ),
    "package, Python": (
        "ImportError: Error while finding module specification for"
        " 'llama_cpp.server' (ModuleNotFoundError: No module named 'llama_cpp')\n",
        "engine_broken",
    ),
    "argument": (
        f"{USAGE}__main__.py: error: unrecognized arguments: --no_such_flag 1\n",
        "bad_argument",
    ),
    "value": (
        f"{USAGE}__main__.py: error: argument --n_batch: invalid int value: 'many'\n",
        "bad_argument",
    ),
    "setting": (
        "1 validation error for ConfigFileSettings\nmodels.0.chat_template\n  Extra"
        f" inputs are not permitted [type=extra_forbidden]\n{USAGE}",
        "bad_argument",
    ),
    "driver": (
        "ggml_cuda_init: failed to initialize CUDA: CUDA driver version is insufficient"
        " for CUDA runtime version\nSegmentation fault\n",
        "driver_mismatch",
    ),
    "old GPU": (
        "CUDA error: no kernel image is available for execution on the device\n",
        "gpu_unsupported",
    ),
    "no GPU": (
        "ggml_cuda_init: failed to initialize CUDA: OS call failed or operation not"
        " supported on this OS\nxllamacpp_server: cannot start: 0 of 1 GPUs can be"
        " used\n",
        "gpu_unusable",
    ),
}
INITIALISING = """\
RuntimeError: Engine core initialization failed. See root cause above. Failed core \
proc(s): {}
"""
VLLM = {
    "no folder": (
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form"
        " 'repo_name' or 'namespace/repo_name': '/models/none'. Use `repo_type`"
        " argument if needed.\n",
        "model_file_missing",
    ),
    "no weights": (
        "(Worker pid=16378) ERROR 11-25 09:39:15 [multiproc_executor.py:953]"
        " RuntimeError: Cannot find any model weights with `/models/m`\n"
        f"{INITIALISING}",
        "model_file_missing",
    ),
    "cut off": (
        "(Worker pid=26723) ERROR 11-25 09:43:07 [multiproc_executor.py:953]"
        " safetensors._safetensors_rust.SafetensorError: Error while deserializing"
        f" header: incomplete metadata, file not fully covered\n{INITIALISING}",
        "model_file_damaged",
    ),
    "no JSON": (
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double"
        " quotes: line 1 column 2 (char 1)\n\nOSError: It looks like the config file at"
        " '/models/m/config.json' is not a valid JSON file.\n",
        "model_file_damaged",
    ),
    "no tokenizer": (
        "ValueError: Couldn't instantiate the backend tokenizer from one of: \n",
        "model_file_damaged",
    ),
    "unknown architecture": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for"
        " ModelConfig\n  Value error, Model architectures ['MartianForCausalLM'] are"
        " not supported for now. Supported architectures: dict_keys([])\n",
        "unknown_architecture",
    ),
    "unknown kind": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for"
        " ModelConfig\n  Value error, The checkpoint you are trying to load has model"
        " type `martian` but Transformers does not recognize this architecture.\n",
        "unknown_architecture",
    ),
    "long context": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for"
        " ModelConfig\n  Value error, User-specified max_model_len (100000000) is"
        " greater than the derived max_model_len (max_position_embeddings=8192.0).\n",
        "bad_config",
    ),
    "hub": (
        "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate"
        " cached snapshot folder for the specified revision on the local disk and"
        " outgoing traffic has been disabled.\n",
        "hub_offline",
    ),
    "port": ("OSError: [Errno 98] Address already in use\n", "port_in_use"),
    "no GPU": (
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some"
        " cuda functions before calling NumCudaDevices() that might have already set an"
        " error? Error 304: OS call failed or operation not supported on this OS\n",
        "gpu_unusable",
    ),
    "argument": (
        "api_server.py: error: unrecognized arguments: --no-such-flag\n",
        "bad_argument",
    ),
    "value": (
        "api_server.py: error: argument --max-num-seqs: invalid int value: 'many'\n",
        "bad_argument",
    ),
    "package": (
        "ModuleNotFoundError: No module named 'vllm'\n\nThe above exception was the"
        " direct cause of the following exception:\n\nImportError: Error while finding"
        " module specification for 'vllm.entrypoints.openai.api_server'"
        " (ModuleNotFoundError: No module named 'vllm')\n",
        "engine_broken",
    ),
}


CAUSES = {
    "no GGUF": "0.00.009.527 E gguf_init_from_reader: invalid magic characters: 'not ',"
    " expected 'GGUF'",
    "port, Python": "ERROR:    [Errno 98] error while attempting to bind on address"
    " ('127.0.0.1', 36535): address already in use",
    "chat template": "0.01.540.566 E common_chat_templates_init: error: Unknown"
    " statement: broken",
    "argument": "__main__.py: error: unrecognized arguments: --no_such_flag 1",
    "no file, Python": "ValueError: Model path does not exist: /models/none.gguf",
    "no GPU": "xllamacpp_server: cannot start: 0 of 1 GPUs can be used",
    "folder": "xllamacpp_server: cannot start: cannot open model /tmp: Is a directory",
}


@pytest.mark.parametrize("name", CAUSES)
def test_quoted_line_is_the_first_error(name):
    log = f"context 512 for 4 requests\n\n{LLAMACPP[name][0]}"
    assert cause_line(log) == CAUSES[name]


def test_quoted_line_of_vllm_is_the_cause():
    line = cause_line(f"(APIServer pid=1) WARNING an error\n{VLLM['no weights'][0]}")
    assert line == "RuntimeError: Cannot find any model weights with `/models/m`"
    long = cause_line(VLLM["long context"][0])
    assert long.startswith("Value error, User-specified max_model_len (100000000)")


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("\n \n", ""),
        ("loading\nloaded\n\n", "loaded"),
        (
            "Traceback (most recent call last):\n  File x\n  raise X\nOSError: y",
            "OSError: y",
        ),
        ("E" * 1000, "E" * 300),
    ],
)
def test_cause_line_of_any_log(log, line):
    assert cause_line(log) == line


@pytest.mark.parametrize(
    ("rules", "log", "reason"),
    [
        pytest.param(rules, log, reason, id=f"{rules.name}: {name}")
        for rules, table in ((LlamaCpp(), LLAMACPP), (Vllm(), VLLM))
        for name, (log, reason) in table.items()
    ],
)
def test_end_of_the_log_gives_the_reason(rules, log, reason):
    assert rules.end_reason(Exit(code=1, signal=None), log) == reason
