"""A GGUF file, written small."""

import random
import string
import struct
from array import array
from math import prod

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

# A sentence encoder with the vocabulary of WordPiece: "▁" begins a word
WIDTH, INNER, LAYERS, POSITIONS = 32, 64, 2, 512
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ("the", "red", "blue", "cat", "dog", "runs", "sleeps", "house", "in", ".", ",")
VOCABULARY = [
    *SPECIAL,
    *(f"▁{part}" for part in (*string.ascii_lowercase, *string.digits, *WORDS)),
    *string.ascii_lowercase,
]
BERT = {
    "general.architecture": "bert",
    "bert.block_count": LAYERS,
    "bert.context_length": POSITIONS,
    "bert.embedding_length": WIDTH,
    "bert.feed_forward_length": INNER,
    "bert.attention.head_count": 4,
    "bert.attention.layer_norm_epsilon": 1e-12,
    "bert.attention.causal": False,
    "bert.pooling_type": 1,  # mean
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": VOCABULARY,
    "tokenizer.ggml.token_type_count": 2,
    "tokenizer.ggml.padding_token_id": 0,
    "tokenizer.ggml.unknown_token_id": 1,
    "tokenizer.ggml.bos_token_id": 2,
    "tokenizer.ggml.cls_token_id": 2,
    "tokenizer.ggml.eos_token_id": 3,
    "tokenizer.ggml.seperator_token_id": 3,
    "tokenizer.ggml.mask_token_id": 4,
}
# Of each layer: width of the input and of the output
LINEAR = {
    **{f"attn_{part}": (WIDTH, WIDTH) for part in ("q", "k", "v", "output")},
    "ffn_up": (WIDTH, INNER),
    "ffn_down": (INNER, WIDTH),
}
NORMS = ("attn_output_norm", "layer_output_norm")


def a_gguf(values=LLAMA, tensors=TENSORS) -> bytes:
    return written(
        values, [(name, (elements,), bytes(size)) for name, elements, size in tensors]
    )


def a_bert() -> bytes:
    """A model of random weights that an engine can load."""
    numbers = random.Random(1)
    shapes = dict(_bert_shapes())
    weights = (
        (name, shape, array("f", _weights(name, prod(shape), numbers)).tobytes())
        for name, shape in shapes.items()
    )
    return written(BERT, list(weights))


def _bert_shapes():
    yield "token_embd.weight", (WIDTH, len(VOCABULARY))
    yield "token_types.weight", (WIDTH, 2)
    yield "position_embd.weight", (WIDTH, POSITIONS)
    norms = ["token_embd_norm"]
    for layer in range(LAYERS):
        norms += [f"blk.{layer}.{name}" for name in NORMS]
        for name, shape in LINEAR.items():
            yield f"blk.{layer}.{name}.weight", shape
            yield f"blk.{layer}.{name}.bias", shape[1:]
    for name in norms:
        yield f"{name}.weight", (WIDTH,)
        yield f"{name}.bias", (WIDTH,)


def _weights(name, count, numbers):
    if name.endswith("norm.weight"):
        return [1.0] * count
    return [numbers.gauss(0, 0.3) for _ in range(count)]


def written(values, tensors) -> bytes:
    """tensors: name, shape and data of each; of 32-bit floats, as far as is claimed."""
    head = bytearray(b"GGUF") + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, value in values.items():
        head += text(key) + encoded(value)
    body = bytearray()
    for name, shape, data in tensors:
        dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += text(name) + dimensions + struct.pack("<IQ", 0, len(body))
        body += padded(data)
    return padded(head) + bytes(body)


def padded(data) -> bytes:
    return bytes(data) + bytes(-len(data) % ALIGNMENT)


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
