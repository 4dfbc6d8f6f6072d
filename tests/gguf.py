"""A GGUF file, written small."""

import struct

KINDS = {bool: (7, "?"), int: (4, "I"), float: (6, "f")}
ALIGNMENT = 32
LLAMA = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.context_length": 4096,
    "llama.embedding_length": 64,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "<end>"],
}
# Name, elements, bytes
TENSORS = (
    ("token_embd.weight", 640, 320),
    ("blk.0.attn_q.weight", 128, 64),
    ("blk.0.ffn_up.weight", 128, 64),
    ("blk.1.attn_q.weight", 256, 128),
    ("output_norm.weight", 8, 32),
    ("output.weight", 640, 352),
)


def a_gguf(values=LLAMA, tensors=TENSORS) -> bytes:
    head = bytearray(b"GGUF") + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        head += text(key) + encoded(value)
    at = 0
    for name, elements, size in tensors:
        head += text(name) + struct.pack("<IQIQ", 1, elements, 0, at)
        at += size
    return bytes(head + bytes(-len(head) % ALIGNMENT + at))


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def encoded(value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if not isinstance(value, list):
        number, letter = KINDS[type(value)]
        return struct.pack(f"<I{letter}", number, value)
    length = struct.pack("<Q", len(value))
    if isinstance(value[0], str):
        return struct.pack("<II", 9, 8) + length + b"".join(map(text, value))
    number, letter = KINDS[type(value[0])]
    packed = struct.pack(f"<{len(value)}{letter}", *value)
    return struct.pack("<II", 9, number) + length + packed
