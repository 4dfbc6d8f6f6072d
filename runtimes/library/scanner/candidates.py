"""What in a folder may be a model: GGUF files, and folders as hubs hand them out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from runtimes.frameworks.llamacpp.shape import PART
from runtimes.frameworks.vllm.model import CONFIG, described
from runtimes.library.scanner.entries import Candidate, Version
from runtimes.library.scanner.walk import Folder

GGUF_FRAMEWORK, FOLDER_FRAMEWORK = "llama.cpp", "vllm"
GGUF, SAFETENSORS, BIN = ".gguf", ".safetensors", ".bin"
INDEX = ".index.json"
ADAPTER = "adapter_config.json"
# Names that say nothing, in folders that say more
NAMELESS = re.compile(r"(ggml-)?model([-._]([a-z]{0,3}\d\w*))?", re.IGNORECASE)
# Of a hub's own cache: models--org--name/snapshots/<commit>
SNAPSHOTS, HUB = "snapshots", "models--"

Files = Mapping[str, os.stat_result]


def candidates(folder: Folder) -> Iterator[Candidate]:
    yield from _gguf_files(folder)
    if CONFIG in folder.files:
        yield from _model_folder(folder)


def _gguf_files(folder: Folder) -> Iterator[Candidate]:
    """Parts are one model, by the name of the first, even where that one is missing."""
    groups: dict[str, list[str]] = {}
    for name in folder.files:
        if name.lower().endswith(GGUF):
            groups.setdefault(_first_part(name), []).append(name)
    for first, names in groups.items():
        path = str(Path(folder.path) / first)
        yield Candidate(
            path=path,
            framework=GGUF_FRAMEWORK,
            title=_file_title(folder.path, first),
            config={"model_path": path},
            version=_version(folder.files, names),
        )


def _first_part(name: str) -> str:
    found = PART.search(name)
    if found and int(found[2]) > 1:
        return f"{name[: found.start()]}-00001-of-{found[2]}{GGUF}"
    return name


def _model_folder(folder: Folder) -> Iterator[Candidate]:
    names = weights(folder.files)
    if not _is_model(folder, names):
        return
    indexes = [name for name in folder.files if name.endswith(INDEX)]
    version = _version(folder.files, [CONFIG, *indexes, *names])
    yield Candidate(
        path=folder.path,
        framework=FOLDER_FRAMEWORK,
        title=_folder_title(folder.path),
        config={"model_name": folder.path},
        version=version,
    )


def weights(files: Files) -> list[str]:
    """What the engine would load: one format of those that are there, and not the same
    weights once more under the names of their makers."""
    tensors = [name for name in files if name.endswith(SAFETENSORS)]
    own = [name for name in tensors if not name.startswith("consolidated")]
    return own or tensors or [name for name in files if name.endswith(BIN)]


def _is_model(folder: Folder, names: list[str]) -> bool:
    """Many tools name their settings config.json. A folder with an adapter, or with
    GGUF files beside, is a model only with weights of its own."""
    about = described(folder.path)
    says_so = "architectures" in about or "model_type" in about
    others = any(n == ADAPTER or n.lower().endswith(GGUF) for n in folder.files)
    if not about:
        return any(name.endswith(SAFETENSORS) for name in names)
    return says_so and (bool(names) or not others)


def _version(files: Files, names: list[str]) -> Version:
    about = [(name, files[name]) for name in sorted(names)]
    return tuple((n, s.st_size, s.st_mtime_ns, s.st_ino) for n, s in about)


def _file_title(folder: str, name: str) -> str:
    found = PART.search(name)
    stem = name[: found.start()] if found else name[: -len(GGUF)]
    if NAMELESS.fullmatch(stem):
        return f"{_folder_title(folder)}-{stem}"
    return stem


def _folder_title(path: str) -> str:
    """ModelScope writes "." as "___"."""
    place = Path(path)
    if place.parent.name == SNAPSHOTS and place.parent.parent.name.startswith(HUB):
        return place.parent.parent.name.split("--")[-1]
    return place.name.replace("___", ".")
