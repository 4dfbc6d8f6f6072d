"""What a GGUF model is made of, as far as memory is concerned: all its parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from common.problems import as_json, shorten
from runtimes.frameworks.llamacpp.gguf import (
    MAX_KEPT,
    BadGguf,
    Header,
    Value,
    read_header,
)
from runtimes.frameworks.llamacpp.quantisation import quantisation_of

PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
LAYER = re.compile(r"blk\.(\d{1,9})\.")
INPUT = re.compile(r"(per_layer_)?token_embd")
HEADERS_KEPT = 32
MAX_SIZE = 2**32

# Every n-th layer sees the whole context, the others a window. Where llama.cpp knows it
# of the architecture; others state it in the file, or all layers count as whole.
PERIODS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "exaone4": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """keys, values: elements that its cache holds of each token; none in a recurrent
    layer. windowed: it remembers the last tokens only."""

    weights: int
    keys: int
    values: int
    windowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Bytes, elements, tokens. input_weights never leave the host; output_weights go to
    a GPU first: a copy of the input's where they are the same (tied)."""

    architecture: str
    quantisation: str
    parameters: int
    experts: int
    experts_used: int
    context: int
    vocabulary: int
    embedding: int
    feed_forward: int
    heads: int
    window: int
    layers: tuple[Layer, ...]
    input_weights: int
    output_weights: int
    tied: bool


def shape_of(path: Path) -> Shape:
    """Of a model file, or the first of its parts. Raises BadGguf."""
    headers = headers_of(path)
    metadata = _Metadata(headers[0])
    count = metadata.whole("block_count", most=MAX_KEPT)
    weights = _weights(headers, count)
    tensors = [tensor for header in headers for tensor in header.tensors]
    return Shape(
        architecture=metadata.architecture,
        quantisation=quantisation_of(headers),
        parameters=sum(tensor.elements for tensor in tensors),
        experts=metadata.whole("expert_count", 0),
        experts_used=metadata.whole("expert_used_count", 0),
        context=metadata.whole("context_length", 0),
        vocabulary=headers[0].lengths.get("tokenizer.ggml.tokens", 0)
        or metadata.whole("vocab_size", 0),
        embedding=metadata.whole("embedding_length"),
        feed_forward=max(
            metadata.of_layers("feed_forward_length", count, 0), default=0
        ),
        heads=max(metadata.of_layers("attention.head_count", count, 0), default=0),
        window=metadata.whole("attention.sliding_window", 0),
        layers=tuple(
            Layer(weights=weights[at], keys=keys, values=values, windowed=windowed)
            for at, (keys, values, windowed) in enumerate(_cache(metadata, count))
        ),
        input_weights=weights["input"],
        output_weights=weights["output"],
        tied=not any(tensor.name == "output.weight" for tensor in tensors),
    )


def headers_of(path: Path) -> list[Header]:
    """Of all parts. Raises BadGguf."""
    return [_cached(part) for part in parts(path)]


def parts(path: Path) -> list[Path]:
    found = PART.search(path.name)
    if not found or int(found[2]) < 2:
        return [path]
    stem, total = path.name[: found.start()], found[2]
    return [
        path.with_name(f"{stem}-{at:05}-of-{total}.gguf")
        for at in range(1, int(total) + 1)
    ]


def _cached(path: Path) -> Header:
    try:
        about = path.stat()
    except (OSError, ValueError):
        raise BadGguf("file_missing", path) from None
    return _read(path, about.st_mtime_ns, about.st_size, about.st_ino)


@lru_cache(maxsize=HEADERS_KEPT)
def _read(path: Path, *_version: int) -> Header:
    return read_header(path)


def _weights(headers: Sequence[Header], layers: int) -> Counter[int | str]:
    """Bytes by layer, of the input and of the output."""
    bytes_of: Counter[int | str] = Counter()
    for tensor in (tensor for header in headers for tensor in header.tensors):
        layer = LAYER.match(tensor.name)
        if layer and int(layer[1]) < layers:
            bytes_of[int(layer[1])] += tensor.bytes
        else:
            where = "input" if INPUT.match(tensor.name) else "output"
            bytes_of[where] += tensor.bytes
    return bytes_of


class _Metadata:
    """Values of a header, by their names within the architecture."""

    def __init__(self, header: Header) -> None:
        self.header, self.values = header, header.values
        self.architecture = str(self.values.get("general.architecture", ""))
        if not self.architecture:
            raise BadGguf("gguf_lacks", header.path, key="general.architecture")

    def get(self, name: str) -> Value | None:
        return self.values.get(f"{self.architecture}.{name}")

    def whole(self, name: str, default: int | None = None, most: int = MAX_SIZE) -> int:
        """Required without a default."""
        general = name.startswith("general.")
        value = self.values.get(name) if general else self.get(name)
        key = name if general else f"{self.architecture}.{name}"
        if value is None and default is not None:
            return default
        if value is None:
            raise BadGguf("gguf_lacks", self.header.path, key=shorten(key))
        return self._checked(key, value, most)

    def of_layers(self, name: str, count: int, default: int) -> list[int]:
        """One for all layers, or one for each."""
        value = self.get(name)
        if not isinstance(value, tuple):
            return [self.whole(name, default)] * count
        key = f"{self.architecture}.{name}"
        sound = [self._checked(key, each, MAX_SIZE) for each in value[:count]]
        return sound + [0] * (count - len(sound))

    def _checked(self, key: str, value: object, most: int) -> int:
        if not isinstance(value, int) or not 0 <= value <= most:
            params = {"key": shorten(key), "value": as_json(value)}
            raise BadGguf("gguf_value", self.header.path, **params)
        return value


def _cache(metadata: _Metadata, count: int) -> list[tuple[int, int, bool]]:
    """Of each layer: elements of keys, elements of values, whether of a window only."""
    heads = max(metadata.of_layers("attention.head_count", count, 0), default=0)
    kv_heads = metadata.of_layers("attention.head_count_kv", count, heads)
    usual = metadata.whole("embedding_length") // heads if heads else 0
    windowed = _windowed(metadata, count)
    own = count - metadata.whole("attention.shared_kv_layers", 0)
    whole_every = metadata.whole("full_attention_interval", 1) or 1
    # Multi-head latent attention: its values are part of its keys.
    latent = metadata.get("attention.key_length_mla") is not None
    found = []
    for at in range(count):
        caches = at < own and (at + 1) % whole_every == 0
        keys, values = (
            _length(metadata, of, windowed[at], usual) * kv_heads[at] * caches
            for of in ("key", "value")
        )
        found.append((keys, 0 if latent else values, windowed[at]))
    return found


def _length(metadata: _Metadata, of: str, windowed: bool, usual: int) -> int:
    name = f"attention.{of}_length"
    length = metadata.whole(name, usual)
    return metadata.whole(f"{name}_swa", length) if windowed else length


def _windowed(metadata: _Metadata, count: int) -> list[bool]:
    if not metadata.whole("attention.sliding_window", 0):
        return [False] * count
    if isinstance(metadata.get("attention.sliding_window_pattern"), tuple):
        flags = metadata.of_layers("attention.sliding_window_pattern", count, 0)
        return [bool(each) for each in flags]
    usual = PERIODS.get(metadata.architecture, 1)
    period = metadata.whole("attention.sliding_window_pattern", usual) or 1
    return [at % period < period - 1 for at in range(count)]
