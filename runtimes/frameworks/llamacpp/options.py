"""Config keys of llama.cpp models: the guide's own, and those allowed in extra_args.

extra_args reaches attributes of the engine's CommonParams by name. Only what tunes
memory, speed and quality is listed: nothing that names a file, host, port, key, log or
tool, and nothing the platform sets itself.
"""

from __future__ import annotations

from runtimes.frameworks.base import Config
from runtimes.frameworks.engines import EngineKind, Place
from runtimes.frameworks.fields import (
    Boolean,
    Choice,
    Field,
    Integer,
    Number,
    Object,
    Text,
    installation,
    kind_of,
    text_of,
)

DEFAULT, LLAMA_SERVER, PYTHON_BINDING = "xllamacpp", "llama-server", "llama-cpp-python"
KINDS = (
    EngineKind(
        name=DEFAULT,
        install="pip install -r requirements.txt",
        place=Place.PLATFORM,
        package=DEFAULT,
        libraries=("xllamacpp*/*.so*",),
    ),
    EngineKind(
        name=LLAMA_SERVER,
        install="https://github.com/ggml-org/llama.cpp",
        place=Place.PATH,
        devices_flag="--list-devices",
    ),
    EngineKind(
        name=PYTHON_BINDING,
        install="./scripts/install-engine.sh llama-cpp-python",
        package=PYTHON_BINDING,
        libraries=("llama_cpp/lib/*",),
    ),
)
ENGINES = tuple(kind.name for kind in KINDS)
N_CTX = 2048
N_PARALLEL = 4
# The engine's default of 8 GiB would be memory that no scheduler knows of.
CACHE_RAM_MIB = 256
N_UBATCH = 512  # the engine's own default

CONFIG: dict[str, Field] = {
    "model_path": Text(max_bytes=4096),
    "n_ctx": Integer(min=1, max=1_048_576),
    "n_threads": Integer(min=1, max=1024),
    "n_gpu_layers": Integer(min=-1, max=1000),
    "temperature": Number(min=0, max=2),
    "top_p": Number(min=0, max=1, min_itself=False),
    "n_parallel": Integer(min=1, max=256),
    "n_batch": Integer(min=1, max=65_536),
    "embedding": Boolean(),
    "chat_template": Text(max_bytes=65_536),
    "engine": installation(*ENGINES),
    "extra_args": Object(),
}


def build_kind(config: Config) -> str:
    """Which build runs it: one of ENGINES."""
    return kind_of(text_of(config, "engine", DEFAULT))


# Numbers of ggml_type: the ones llama.cpp takes for a KV cache.
CACHE_TYPES = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q8_0": 8,
    "q4_0": 2,
    "q4_1": 3,
    "iq4_nl": 20,
    "q5_0": 6,
    "q5_1": 7,
}
POOLING_TYPES = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
ROPE_SCALING_TYPES = {"none": 0, "linear": 1, "yarn": 2, "longrope": 3}
REASONING_FORMATS = {"none": 0, "auto": 1, "deepseek": 3}

EXTRA_ARGS: dict[str, Field] = {
    "n_ubatch": Integer(min=1, max=65_536),
    "n_keep": Integer(min=-1, max=1_048_576),
    "n_cache_reuse": Integer(min=0, max=1_048_576),
    "cache_type_k": Choice(numbers=CACHE_TYPES),
    "cache_type_v": Choice(numbers=CACHE_TYPES),
    "cache_prompt": Boolean(),
    "cache_ram_mib": Integer(min=0, max=1_048_576),
    "cont_batching": Boolean(),
    "ctx_shift": Boolean(),
    "swa_full": Boolean(),
    "flash_attn_type": Choice(numbers={"auto": -1, "off": 0, "on": 1}),
    "pooling_type": Choice(numbers=POOLING_TYPES),
    "rope_scaling_type": Choice(numbers=ROPE_SCALING_TYPES),
    "rope_freq_base": Number(min=0, max=1e9),
    "rope_freq_scale": Number(min=0, max=1e3),
    "yarn_orig_ctx": Integer(min=0, max=1_048_576),
    "yarn_ext_factor": Number(min=-1, max=1e3),
    "yarn_attn_factor": Number(min=-1, max=1e3),
    "yarn_beta_fast": Number(min=-1, max=1e3),
    "yarn_beta_slow": Number(min=-1, max=1e3),
    "split_mode": Choice(numbers={"none": 0, "layer": 1, "row": 2}),
    "main_gpu": Integer(min=0, max=63),
    "no_kv_offload": Boolean(),
    "no_op_offload": Boolean(),
    "use_jinja": Boolean(),
    "reasoning_format": Choice(numbers=REASONING_FORMATS),
    "slot_prompt_similarity": Number(min=0, max=1),
    "warmup": Boolean(),
}
