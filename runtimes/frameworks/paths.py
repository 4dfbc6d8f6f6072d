"""Paths of models, which must lie inside the model folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from common.problems import Problem, shorten
from runtimes.frameworks.mounts import mounts

PATH_SHOWN = 255


def resolve_inside(
    path: str, model_roots: Sequence[Path], field: str
) -> Path | Problem:
    """The roots come first: the existence of files outside is not disclosed."""
    if mount := mounts.hung(path):
        if _leads_to(mount, model_roots):
            return path_problem("mount_not_responding", field, path, mount=mount)
        return _outside(path, model_roots, field)
    try:
        real = Path(path).resolve()
    except (ValueError, OSError, RuntimeError):  # NUL, surrogates, a loop of links
        return path_problem("file_missing", field, path)
    inside = any(real.is_relative_to(root) for root in _resolved(model_roots))
    if not inside or not Path(path).is_absolute():
        return _outside(path, model_roots, field)
    return real


def responding(folders: Iterable[Path]) -> list[Path]:
    return [folder for folder in folders if not mounts.hung(folder)]


def for_engine(path: str) -> str:
    """A checked path as engines get it: its folder resolved, so that nothing but what
    was checked is opened. Its last part stays, even a link: the other files of a split
    model are found by its name."""
    given = Path(path)
    return str(given.parent.resolve() / given.name) if given.is_absolute() else path


def path_problem(code: str, field: str, path: object, **params: object) -> Problem:
    params = {"path": shorten(str(path), PATH_SHOWN), **params}
    return Problem(code=code, field=field, params=params)


def _outside(path: str, model_roots: Sequence[Path], field: str) -> Problem:
    shown_roots = [str(root) for root in model_roots]
    return path_problem("path_outside_roots", field, path, roots=shown_roots)


def _leads_to(mount: str, roots: Sequence[Path]) -> bool:
    """Whether a root is on the mount, or above it."""
    return any(
        mounts.hung(root) == mount or Path(mount).is_relative_to(root) for root in roots
    )


def _resolved(roots: Sequence[Path]) -> Iterator[Path]:
    """A broken root takes nothing from the others."""
    for root in responding(roots):
        with suppress(OSError, RuntimeError):
            yield root.resolve()
