"""What is in the GGUF files of a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.enums import ModelKind
from common.problems import Problem, shorten
from runtimes.frameworks.base import Config, Contents
from runtimes.frameworks.fields import text_of
from runtimes.frameworks.llamacpp.gguf import BadGguf, Header, Value
from runtimes.frameworks.llamacpp.quantisation import quantisation_of
from runtimes.frameworks.llamacpp.shape import headers_of, shape_of

# Architectures that generate no text
ENCODERS = frozenset(
    {
        *("bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3"),
        *("modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe", "t5encoder"),
    }
)
# Files beside a model, by their general.type or architecture
NOT_MODELS = frozenset({"adapter", "clip", "imatrix", "mmproj"})


def contents(config: Config) -> Contents | Problem:
    try:
        path = Path(text_of(config, "model_path"))
        found = _contents(headers_of(path))
        _check_values(path)
        return found
    except BadGguf as bad:
        return bad.problem


def _check_values(path: Path) -> None:
    """Raises BadGguf for values with which no engine can load the model. What only the
    estimate misses may be unknown to the platform alone."""
    try:
        shape_of(path)
    except BadGguf as bad:
        if bad.problem.code == "gguf_value":
            raise


def _contents(headers: list[Header]) -> Contents:
    first = headers[0]
    architecture = _text(first.values, "general.architecture")
    kinds = {architecture, _text(first.values, "general.type")} & NOT_MODELS
    if kinds:
        raise BadGguf("gguf_not_a_model", first.path, kind=min(kinds))
    if not architecture:
        raise BadGguf("gguf_lacks", first.path, key="general.architecture")
    tensors = [tensor for header in headers for tensor in header.tensors]
    return Contents(
        paths=tuple(header.path for header in headers),
        bytes=sum(tensor.bytes for tensor in tensors),
        architectures=(shorten(architecture),),
        context=_whole(first.values, f"{architecture}.context_length"),
        parameters=sum(tensor.elements for tensor in tensors),
        quantisation=quantisation_of(headers),
        kind=_kind(first.values, architecture),
    )


def _kind(values: Mapping[str, Value], architecture: str) -> ModelKind:
    """pooling_type 0 is none."""
    if architecture in ENCODERS or values.get(f"{architecture}.pooling_type"):
        return ModelKind.EMBEDDING
    has_template = "tokenizer.chat_template" in values
    return ModelKind.CHAT if has_template else ModelKind.COMPLETION


def _text(values: Mapping[str, Value], key: str) -> str:
    return str(values.get(key, ""))


def _whole(values: Mapping[str, Value], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) and value > 0 else 0
