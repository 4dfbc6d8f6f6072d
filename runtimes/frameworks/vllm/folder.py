"""What the model of a folder is made of, as far as memory is concerned, by config.json.

Everybody may have written that: numbers are believed within bounds only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.problems import as_json
from runtimes.frameworks.vllm.model import CONFIG, CONFIG_BYTES, described
from runtimes.frameworks.vllm.weights import BadFolder, weights_of

Config = Mapping[str, Any]

# Text parts of multimodal models
PARTS = ("text_config", "llm_config", "language_config")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "n_head_kv")
EMBEDDING = ("hidden_size", "n_embd", "d_model")
FEED_FORWARD = ("intermediate_size", "ffn_hidden_size", "n_inner", "d_ff")
EXPERT = ("moe_intermediate_size", "expert_hidden_size")
EXPERTS_USED = ("num_experts_per_tok", "moe_topk", "num_selected_experts", "moe_k")
CONTEXT = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
    "max_sequence_length", "max_seq_length", "seq_len", "model_max_length",
)  # fmt: skip
UNKNOWN_CONTEXT = 2048  # the engine's own default
# Whose max_position_embeddings has the factor in it already
SCALED = ("default", "su", "longrope", "llama3", "yarn", "deepseek_yarn", "mrope")
RECURRENT = ("linear_attention", "mamba", "conv", "recurrent")
MOST = {"layers": 4096, "heads": 2**16, "width": 2**22, "tokens": 2**28}
TYPES = {
    "float64": "F64", "float32": "F32", "float": "F32", "float16": "F16", "half": "F16",
    "bfloat16": "BF16",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderShape:
    """weights: bytes by type of element. whole, windowed: layers that remember all
    tokens, or the last `window` only. token: elements that each layer keeps of a token
    for each of kv_heads; latent: all of it is on each GPU."""

    weights: Mapping[str, int]
    whole: int
    windowed: int
    window: int
    token: int
    kv_heads: int
    latent: bool
    context: int
    vocabulary: int
    embedding: int
    feed_forward: int


def folder_shape(folder: Path) -> FolderShape:
    """Raises BadFolder."""
    config = described(str(folder))
    if not config:
        raise BadFolder("bad_model_config", folder / CONFIG, max=CONFIG_BYTES)
    metadata = _Metadata(folder / CONFIG, _writer(config))
    whole, windowed = _layers(metadata)
    token, kv_heads, latent = _cache(metadata)
    return FolderShape(
        weights=weights_of(folder, _stored(config, metadata.part)),
        whole=whole,
        windowed=windowed,
        window=metadata.whole(("sliding_window",), 0, "tokens"),
        token=token,
        kv_heads=kv_heads,
        latent=latent,
        context=_context(metadata),
        vocabulary=metadata.whole(("vocab_size", "padded_vocab_size"), 0, "width"),
        embedding=metadata.whole(EMBEDDING, None, "width"),
        feed_forward=_feed_forward(metadata),
    )


def _writer(config: Config) -> Config:
    parts = (config, *(config.get(name) for name in PARTS))
    for part in parts:
        if isinstance(part, dict) and any(part.get(name) for name in LAYERS):
            return part
    return config


@dataclass(frozen=True, slots=True)
class _Metadata:
    path: Path
    part: Config

    def whole(self, names: tuple[str, ...], default: int | None, kind: str) -> int:
        """Under the first of its names; of a list, for each layer one, the largest.
        Required without a default."""
        for name in names:
            value = self.part.get(name)
            if value is not None:
                values = value if isinstance(value, list) and value else [value]
                return max(self._checked(name, each, MOST[kind]) for each in values)
        if default is None:
            raise BadFolder("model_config_lacks", self.path, key=names[0])
        return default

    def _checked(self, name: str, value: object, most: int) -> int:
        if type(value) is not int or not 0 <= value <= most:
            params = {"key": name, "value": as_json(value)}
            raise BadFolder("model_config_value", self.path, **params)
        return value


def _layers(metadata: _Metadata) -> tuple[int, int]:
    count = metadata.whole(LAYERS, None, "layers")
    kinds = metadata.part.get("layer_types")
    if isinstance(kinds, list) and kinds:
        kinds = [str(kind) for kind in kinds[:count]]
        windowed = sum("sliding" in kind or "chunked" in kind for kind in kinds)
        recurrent = sum(any(name in kind for name in RECURRENT) for kind in kinds)
        return count - windowed - recurrent, windowed
    every = metadata.whole(("full_attention_interval",), 1, "layers")
    return count // max(every, 1), 0


def _cache(metadata: _Metadata) -> tuple[int, int, bool]:
    """Elements of a layer, a token and a head, heads, and whether they are latent."""
    rank = metadata.whole(("kv_lora_rank",), 0, "width")
    if rank:
        positions = metadata.whole(("qk_rope_head_dim",), 0, "width")
        index = metadata.whole(("index_head_dim",), 0, "width")
        return rank + positions + index, 1, True
    heads = metadata.whole(HEADS, None, "heads")
    usual = metadata.whole(EMBEDDING, None, "width") // max(heads, 1)
    width = metadata.whole(("head_dim", "kv_channels"), usual, "width")
    only_one = metadata.part.get("multi_query") is True
    kv_heads = metadata.whole(KV_HEADS, 1 if only_one else heads, "heads")
    return 2 * width, kv_heads, False


def _context(metadata: _Metadata) -> int:
    lengths = [metadata.whole((name,), 0, "tokens") for name in CONTEXT]
    length = min(filter(None, lengths), default=UNKNOWN_CONTEXT)
    for rope in _ropes(metadata.part):
        kind = rope.get("rope_type", rope.get("type", "default"))
        factor = rope.get("factor")
        first = metadata.part.get("original_max_position_embeddings")
        if kind == "longrope" and type(first) is int and 0 < first < length:
            return first
        if kind not in SCALED and isinstance(factor, int | float) and 1 < factor < 1e4:
            return int(length * factor)
    return length


def _ropes(part: Config) -> Iterator[Config]:
    for name in ("rope_parameters", "rope_scaling"):
        if isinstance(part.get(name), dict):
            yield part[name]


def _feed_forward(metadata: _Metadata) -> int:
    """Of a token that is being read: by all experts that see it."""
    dense = metadata.whole(FEED_FORWARD, 0, "width")
    used = metadata.whole(EXPERTS_USED, 0, "layers")
    return max(dense, metadata.whole(EXPERT, dense, "width") * used)


def _stored(config: Config, part: Config) -> str:
    """Type of files that do not state it; "" where they are quantised."""
    if isinstance(config.get("quantization_config"), dict):
        return ""
    for description in (part, config):
        name = description.get("dtype") or description.get("torch_dtype")
        if isinstance(name, str):
            return TYPES.get(name, "")
    return ""
