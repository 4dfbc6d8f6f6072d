"""Model files whose memory needs are easy to compute."""

from django.conf import settings

from tests.gguf import LLAMA, a_gguf


def a_model_file() -> str:
    """Path of a model whose cache takes 1 MiB per token."""
    path = settings.DATA_DIR / "models" / "wide.gguf"
    values = {
        **LLAMA,
        "llama.block_count": 64,
        "llama.attention.head_count_kv": 4,
        "llama.attention.key_length": 1024,
        "llama.attention.value_length": 1024,
    }
    path.write_bytes(a_gguf(values))
    return str(path)
