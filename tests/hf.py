"""A folder as Hugging Face has it, written small."""

import json

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "max_position_embeddings": 4096,
    "vocab_size": 32_000,
    "torch_dtype": "bfloat16",
}
MIB = 2**20


def safetensors(tensors, left=None, **more):
    """tensors: name -> (type, bytes). left: bytes of them that are there."""
    header, at = {"__metadata__": {"format": "pt"}, **more}, 0
    for name, (kind, size) in tensors.items():
        header[name] = {"dtype": kind, "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at if left is None else left)


def a_folder(path, files=None, **config):
    """files: name -> bytes; without any, 4 MiB of BF16."""
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps({**LLAMA, **config}))
    weights = {"model.safetensors": safetensors({"a": ("BF16", 4 * MIB)})}
    for name, content in (weights if files is None else files).items():
        (path / name).write_bytes(content)
    return path
