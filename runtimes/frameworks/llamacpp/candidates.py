"""GGUF files of a folder. The parts of a split model are one candidate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runtimes.frameworks.candidates import Candidate, Folder
from runtimes.frameworks.llamacpp.shape import PART

GGUF = ".gguf"


def gguf_files(folder: Folder, framework: str) -> Iterator[Candidate]:
    """Parts go by the name of the first, even where that one is missing."""
    groups: dict[str, list[str]] = {}
    for name in folder.files:
        if name.lower().endswith(GGUF):
            groups.setdefault(_first_part(name), []).append(name)
    for first, names in groups.items():
        path = str(Path(folder.path) / first)
        yield Candidate(
            path=path,
            framework=framework,
            title=folder.file_title(_stem(first)),
            config={"model_path": path},
            version=folder.version(names),
        )


def _first_part(name: str) -> str:
    found = PART.search(name)
    if found and int(found[2]) > 1:
        return f"{name[: found.start()]}-00001-of-{found[2]}{GGUF}"
    return name


def _stem(name: str) -> str:
    found = PART.search(name)
    return name[: found.start()] if found else name[: -len(GGUF)]
