import pytest

from runtimes.frameworks.base import Exit
from runtimes.frameworks.vllm.framework import Vllm

VLLM = Vllm()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("OSError: [Errno 98] Address already in use", "port_in_use"),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found 12020).",
            "driver_mismatch",
        ),
        (
            "Error 803: system has unsupported display driver / cuda driver"
            " combination",
            "driver_mismatch",
        ),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "out_of_gpu_memory"),
        (
            "ValueError: Free memory on device cuda:0 (3/79 GiB) on startup is less"
            " than desired GPU memory utilization (0.9, 71.2 GiB).",
            "out_of_gpu_memory",
        ),
        (
            "ValueError: No available memory for the cache blocks. Try",
            "kv_cache_too_small",
        ),
        (
            "ValueError: To serve at least one request with the models's max seq len"
            " (8192), (1 GiB KV cache is needed, which is larger than the available KV"
            " cache memory (0.2 GiB).",
            "kv_cache_too_small",
        ),
        ("[enforce fail] DefaultCPUAllocator: can't allocate memory", "out_of_memory"),
        ("OSError: We couldn't connect to 'https://huggingface.co'", "hub_offline"),
        ("huggingface_hub.errors.LocalEntryNotFoundError: Cannot", "hub_offline"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/m/config.json'",
            "model_file_missing",
        ),
        (
            "RuntimeError: Cannot find any model weights with `/m`",
            "model_file_missing",
        ),
        (
            "ValueError: Model architectures ['X'] are not supported for now.",
            "unknown_architecture",
        ),
        (
            "but Transformers does not recognize this architecture.",
            "unknown_architecture",
        ),
        (
            "ValueError: Please pass the argument `trust_remote_code=True` to allow",
            "needs_remote_code",
        ),
        ("/v/bin/python: No module named vllm", "engine_broken"),
        ("torch._inductor.exc.InductorError: CppCompileError: C++", "engine_broken"),
        (
            "Failed to import from vllm._C: ImportError('libnuma.so.1: cannot open"
            " shared object file: No such file or directory')\n"
            "AttributeError: '_C' object has no attribute 'init_cpu_memory_env'",
            "engine_broken",
        ),
        ("shim: cannot execute the engine: [Errno 2] No such file", "engine_broken"),
        ("api_server.py: error: argument --dtype: invalid choice", "bad_argument"),
        ("pydantic_core._pydantic_core.ValidationError: 1 validation", "bad_config"),
        ("Segmentation fault", "crashed"),
    ],
)
def test_end_reason_is_read_from_the_log(line, reason):
    log = f"{line}\nRuntimeError: Engine core initialization failed. See root cause.\n"
    assert VLLM.end_reason(Exit(code=1, signal=None), log) == reason
