"""What is in the folder of a model: config.json, weights, and the index of their
parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtimes.frameworks.base import Contents, Problem
from runtimes.frameworks.fields import shown
from runtimes.frameworks.files import path_problem
from runtimes.frameworks.vllm_model import FIELD, WEIGHTS, described, entries

INDEX = "model.safetensors.index.json"
# The largest that are known have 10 MB.
INDEX_BYTES = 64 * 2**20
HEADER_LENGTH = 8  # bytes, in front of each file of safetensors


def contents(folder: str) -> Contents | Problem:
    try:
        files = sorted(path for path in entries(Path(folder)) if path.is_file())
        weights = [path for path in files if path.suffix in WEIGHTS]
        size = sum(path.stat().st_size for path in weights)
        if problem := next(_faults(Path(folder), weights, size), None):
            return problem
    except OSError:
        return path_problem("file_unreadable", FIELD, folder)
    told = described(folder)
    return Contents(
        paths=tuple(files),
        bytes=size,
        architectures=_architectures(told),
        context=_context(told),
        quantisation=_quantisation(told),
    )


def _faults(folder: Path, weights: list[Path], size: int) -> Iterator[Problem]:
    for path in weights:
        if path.suffix == ".safetensors" and _is_cut_off(path):
            yield path_problem("weights_truncated", FIELD, path)
    try:
        with (folder / INDEX).open("rb") as file:
            index = json.loads(file.read(INDEX_BYTES))
        parts = {shown(name) for name in index["weight_map"].values()}
        total = index["metadata"]["total_size"]
        missing = sorted(parts - {path.name for path in weights})
        short = size < total
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield path_problem("bad_model_config", FIELD, folder / INDEX, max=INDEX_BYTES)
        return
    if missing:
        yield path_problem("file_missing", FIELD, folder / missing[0])
    elif short:
        yield path_problem("weights_truncated", FIELD, folder)


def _is_cut_off(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(HEADER_LENGTH)
    return HEADER_LENGTH + int.from_bytes(head, "little") > size


def _architectures(told: Mapping[str, Any]) -> tuple[str, ...]:
    names = told.get("architectures")
    if not isinstance(names, list):
        return ()
    return tuple(shown(name) for name in names if isinstance(name, str))


def _context(told: Mapping[str, Any]) -> int:
    for part in (told, told.get("text_config"), told.get("llm_config")):
        length = part.get("max_position_embeddings") if isinstance(part, dict) else 0
        if isinstance(length, int) and length > 0:
            return length
    return 0


def _quantisation(told: Mapping[str, Any]) -> str:
    quantised = told.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, dict) else None
    name = method or told.get("dtype") or told.get("torch_dtype")
    return shown(name) if isinstance(name, str) else ""
