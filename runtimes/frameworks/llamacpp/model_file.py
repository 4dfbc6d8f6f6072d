"""May this model file be used: inside the model folders, readable, really a GGUF."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.problems import Problem
from runtimes.frameworks.lfs_pointer import MARK, code_of
from runtimes.frameworks.llamacpp.shape import parts
from runtimes.frameworks.paths import path_problem, resolve_inside

GGUF_MAGIC = b"GGUF"
FIELD = "config.model_path"


def check_model_file(path: str, model_roots: Sequence[Path]) -> Problem | None:
    real = resolve_inside(path, model_roots, FIELD)
    if isinstance(real, Problem):
        return real
    if code := _trouble(real):
        return path_problem(code, FIELD, path)
    return next(_other_parts(path, model_roots), None)


def _other_parts(path: str, model_roots: Sequence[Path]) -> Iterator[Problem]:
    """The engine opens them by their names, starting with the first."""
    first, *others = parts(Path(path))
    if others and first.name != Path(path).name:
        yield path_problem("gguf_not_first", FIELD, path, first=str(first))
    for part in others:
        real = resolve_inside(str(part), model_roots, FIELD)
        if isinstance(real, Problem):
            yield real
        elif code := _trouble(real):
            yield path_problem(code, FIELD, part)


def _trouble(real: Path) -> str:
    """A code, or "" for a good file."""
    try:
        if not stat.S_ISREG(real.stat().st_mode):
            return "not_a_file"
        with real.open("rb") as file:
            start = file.read(len(MARK))
    except (FileNotFoundError, NotADirectoryError):
        return "file_missing"
    except OSError:
        return "file_unreadable"
    return "" if start.startswith(GGUF_MAGIC) else code_of(start, "not_gguf")
