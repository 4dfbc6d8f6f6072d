"""Folders with a model in the format of Hugging Face."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from runtimes.frameworks.candidates import Candidate, Folder
from runtimes.frameworks.vllm.model import CONFIG, described

SAFETENSORS, BIN, GGUF = ".safetensors", ".bin", ".gguf"
SUFFIXES = (SAFETENSORS, BIN, ".json")
INDEX = ".index.json"
ADAPTER = "adapter_config.json"


def model_folder(folder: Folder, framework: str) -> Iterator[Candidate]:
    if CONFIG not in folder.files:
        return
    names = weights(folder.files)
    if not _is_model(folder, names):
        return
    indexes = [name for name in folder.files if name.endswith(INDEX)]
    yield Candidate(
        path=folder.path,
        framework=framework,
        title=folder.title,
        config={"model_name": folder.path},
        version=folder.version([CONFIG, *indexes, *names]),
    )


def weights(files: Mapping[str, os.stat_result]) -> list[str]:
    """Files that the engine would load: one format of those that are there, and not the
    same weights once more under the names of their makers."""
    tensors = [name for name in files if name.endswith(SAFETENSORS)]
    own = [name for name in tensors if not name.startswith("consolidated")]
    return own or tensors or [name for name in files if name.endswith(BIN)]


def _is_model(folder: Folder, names: list[str]) -> bool:
    """Many tools name their settings config.json. A folder with an adapter, or with
    GGUF files beside, is a model only with weights of its own."""
    config = described(folder.path)
    names_model = "architectures" in config or "model_type" in config
    others = any(n == ADAPTER or n.lower().endswith(GGUF) for n in folder.files)
    if not config:
        return any(name.endswith(SAFETENSORS) for name in names)
    return names_model and (bool(names) or not others)
