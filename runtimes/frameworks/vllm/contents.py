"""What is in the folder of a model, by config.json and the headers of its weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from common.enums import ModelKind
from common.problems import Problem, shorten
from runtimes.frameworks.base import Contents
from runtimes.frameworks.byte_search import contains
from runtimes.frameworks.paths import path_problem
from runtimes.frameworks.vllm.folder import folder_shape
from runtimes.frameworks.vllm.model import FIELD, described, entries
from runtimes.frameworks.vllm.weights import FLOATS, BadFolder, weights_of

# Architectures that generate no text, such as BertModel and XLMRobertaForMaskedLM
ENCODERS = ("BertModel", "RobertaModel", "EncoderModel", "ForMaskedLM")
TEMPLATES = frozenset({"chat_template.jinja", "chat_template.json"})


def contents(name: str) -> Contents | Problem:
    folder = Path(name)
    try:
        files = sorted(path for path in entries(folder) if path.is_file())
        weights = weights_of(folder, "")
    except BadFolder as bad:
        return bad.problem
    except OSError:
        return path_problem("file_unreadable", FIELD, name)
    description = described(name)
    return Contents(
        paths=tuple(files),
        bytes=weights.total(),
        architectures=_architectures(description),
        context=_context(folder),
        parameters=_parameters(weights),
        quantisation=_quantisation(description),
        kind=_kind(folder, {path.name for path in files}, description),
    )


def _kind(
    folder: Path, files: Collection[str], description: Mapping[str, Any]
) -> ModelKind:
    """modules.json is the index of sentence-transformers."""
    names = _architectures(description)
    if "modules.json" in files or any(name.endswith(ENCODERS) for name in names):
        return ModelKind.EMBEDDING
    has_template = TEMPLATES & set(files) or contains(
        folder / "tokenizer_config.json", b'"chat_template"'
    )
    return ModelKind.CHAT if has_template else ModelKind.COMPLETION


def _architectures(description: Mapping[str, Any]) -> tuple[str, ...]:
    names = description.get("architectures")
    if not isinstance(names, list):
        return ()
    return tuple(shorten(name) for name in names if isinstance(name, str))


def _context(folder: Path) -> int:
    """0 also where so little is described that the engine alone knows what to do with
    it."""
    try:
        return folder_shape(folder).context
    except BadFolder:
        return 0


def _parameters(weights: Mapping[str, int]) -> int:
    """0 of quantised weights: their files count scales, too."""
    if not weights or not weights.keys() <= FLOATS.keys():
        return 0
    return sum(size // FLOATS[kind] for kind, size in weights.items())


def _quantisation(description: Mapping[str, Any]) -> str:
    quantised = description.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, dict) else None
    name = method or description.get("dtype") or description.get("torch_dtype")
    return shorten(name) if isinstance(name, str) else ""
