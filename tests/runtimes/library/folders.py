"""Model folders with a bit of everything."""

import json
import struct
from pathlib import Path

from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.vllm.framework import Vllm
from runtimes.library.scanner.scan import scan
from tests.gguf import LLAMA, TENSORS, a_gguf

FRAMEWORKS = {each.name: each for each in (LlamaCpp(), Vllm())}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 256,
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}


def put(path: Path, content: bytes | str | dict = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def a_model(path: Path, **values) -> Path:
    return put(path, a_gguf({**LLAMA, **values}))


def in_parts(folder: Path, *numbers: int, total=3) -> Path:
    """Of the parts with these numbers; the first one is returned."""
    for number in numbers:
        values = LLAMA if number == 1 else {}
        tensors = TENSORS[2 * number - 2 : 2 * number]
        put(folder / f"big-{number:05}-of-{total:05}.gguf", a_gguf(values, tensors))
    return folder / f"big-00001-of-{total:05}.gguf"


def safetensors(size=64) -> bytes:
    header = {"w": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(size)


def a_folder(path: Path, config: object = None, **files: bytes) -> Path:
    """As a hub hands it out. files: by their names, "_" before "safetensors"."""
    put(path / "config.json", CONFIG if config is None else config)
    for name, content in (files or {"model_safetensors": safetensors()}).items():
        put(path / name.replace("_safetensors", ".safetensors"), content)
    return path


def scanned(*roots: Path, known=(), limits=None):
    return scan(roots, FRAMEWORKS, known, limits)


def listed(*roots: Path) -> dict[str, object]:
    """Entries by their place in the first root."""
    entries = scanned(*roots).entries
    return {entry.path.removeprefix(f"{roots[0]}/"): entry for entry in entries}


def problems(*roots: Path, limits=None) -> list[tuple[str, str]]:
    """Code, and place in the first root."""
    found = scanned(*roots, limits=limits).problems
    return [
        (each.code, str(each.params["path"]).removeprefix(f"{roots[0]}/"))
        for each in found
    ]
