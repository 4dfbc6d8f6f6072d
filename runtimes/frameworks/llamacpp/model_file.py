"""May this model file be used: inside the model folders, readable, really a GGUF."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from common.problems import Problem, shown
from runtimes.frameworks.lfs_pointer import BEGIN, code_of
from runtimes.frameworks.llamacpp.shape import parts

GGUF_MAGIC = b"GGUF"
FIELD = "config.model_path"
PATH_SHOWN = 255


def check_model_file(path: str, model_roots: Sequence[Path]) -> Problem | None:
    real = located(path, model_roots, FIELD)
    if isinstance(real, Problem):
        return real
    if code := _trouble(real):
        return path_problem(code, FIELD, path)
    return next(_other_parts(path, model_roots), None)


def _other_parts(path: str, model_roots: Sequence[Path]) -> Iterator[Problem]:
    """The engine opens them by their names; it has to be told the first."""
    first, *others = parts(Path(path))
    if others and first.name != Path(path).name:
        yield path_problem("gguf_not_first", FIELD, path, first=str(first))
    for part in others:
        real = located(str(part), model_roots, FIELD)
        if isinstance(real, Problem):
            yield real
        elif code := _trouble(real):
            yield path_problem(code, FIELD, part)


def located(path: str, model_roots: Sequence[Path], field: str) -> Path | Problem:
    """Where it really is. The roots come first: whether a file outside them exists is
    nobody's business."""
    try:
        real = Path(path).resolve()
    except (ValueError, OSError, RuntimeError):  # NUL, surrogates, a loop of links
        return path_problem("file_missing", field, path)
    inside = any(real.is_relative_to(root) for root in _resolved(model_roots))
    if not inside or not Path(path).is_absolute():
        shown_roots = [str(root) for root in model_roots]
        return path_problem("path_outside_roots", field, path, roots=shown_roots)
    return real


def _resolved(roots: Sequence[Path]) -> Iterator[Path]:
    """One that leads nowhere takes nothing from the others."""
    for root in roots:
        with suppress(OSError, RuntimeError):
            yield root.resolve()


def _trouble(real: Path) -> str:
    """A code, or "" for a good file."""
    try:
        if not stat.S_ISREG(real.stat().st_mode):
            return "not_a_file"
        with real.open("rb") as file:
            begin = file.read(len(BEGIN))
    except (FileNotFoundError, NotADirectoryError):
        return "file_missing"
    except OSError:
        return "file_unreadable"
    return "" if begin.startswith(GGUF_MAGIC) else code_of(begin, "not_gguf")


def path_problem(code: str, field: str, path: object, **params: object) -> Problem:
    params = {"path": shown(str(path), PATH_SHOWN), **params}
    return Problem(code=code, field=field, params=params)
