"""What the weights of a folder take, by the headers of its safetensors files.

A header is JSON, up to 10 MB of large models: it is gone through piece by piece, since
objects made of all of it would take ten times that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from common.problems import Problem
from runtimes.frameworks.lfs_pointer import MARK, code_of
from runtimes.frameworks.paths import path_problem
from runtimes.frameworks.vllm.model import FIELD, WEIGHTS, entries

INDEX = "model.safetensors.index.json"
# The largest that are known have 10 MB.
INDEX_BYTES = 64 * 2**20
HEADER_LENGTH = 8  # bytes, in front of each file of safetensors
HEADER_BYTES = 64 * 2**20
# Of one file; the largest models have some thousands in each.
MAX_TENSORS = 200_000
HEADERS_KEPT = 1024
TENSOR = re.compile(rb"\{[^{}]*\}")
PART = re.compile(rb'"([^"\\/\x00]{1,200}\.safetensors)"')
# Bytes of an element of what an engine converts to the type it serves; all other types
# are quantised weights, which stay as they are.
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
# The same weights once more, or no weights
SPARE = re.compile(r"consolidated|training_args|optimizer|scheduler|rng_state")


class BadFolder(Exception):
    def __init__(self, code: str, path: Path, **params: object) -> None:
        super().__init__(code)
        self.problem: Problem = path_problem(code, FIELD, path, **params)


def weights_of(folder: Path, default_type: str) -> Counter[str]:
    """Bytes by type of element, "" where it is not known, or never converted.
    default_type: the type that the folder's description names, for files that do not
    say. Raises BadFolder."""
    try:
        paths = _used(folder)
        if paths and paths[0].suffix == ".safetensors":
            return _added(_header(path) for path in paths)
        return Counter({default_type: sum(path.stat().st_size for path in paths)})
    except OSError:
        raise BadFolder("file_unreadable", folder) from None


def _used(folder: Path) -> list[Path]:
    """What an engine loads: of one kind of file, and no file twice."""
    found = sorted(p for p in entries(folder) if p.suffix in WEIGHTS and p.is_file())
    listed = _listed(folder)
    for name in sorted(listed - {path.name for path in found}):
        raise BadFolder("file_missing", folder / name)
    if listed:
        return [path for path in found if path.name in listed]
    for kind in WEIGHTS:
        alike = [path for path in found if path.suffix == kind]
        if alike:
            return [path for path in alike if not SPARE.search(path.name)] or alike
    raise BadFolder("no_weights", folder, expected=list(WEIGHTS))


def _listed(folder: Path) -> set[str]:
    index = folder / INDEX
    if not index.is_file():
        return set()
    with index.open("rb") as file:
        text = file.read(min(index.stat().st_size, INDEX_BYTES))
    return {found[1].decode(errors="replace") for found in PART.finditer(text)}


def _added(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    whole: Counter[str] = Counter()
    for part in parts:
        whole.update(part)
    return whole


def _header(path: Path) -> Mapping[str, int]:
    about = path.stat()
    return _read(path, about.st_mtime_ns, about.st_size, about.st_ino)


@lru_cache(maxsize=HEADERS_KEPT)
def _read(path: Path, _changed: int, size: int, _inode: int) -> Mapping[str, int]:
    with path.open("rb") as file:
        start = file.read(len(MARK))
        file.seek(HEADER_LENGTH)
        length = int.from_bytes(start[:HEADER_LENGTH], "little")
        left = size - HEADER_LENGTH - length
        if left < 0:
            raise BadFolder(code_of(start, "weights_truncated"), path)
        if length > HEADER_BYTES:
            raise BadFolder("model_config_value", path, key="header", value=length)
        header = file.read(length)
    sizes: Counter[str] = Counter()
    for kind, count in _tensors(header, path):
        sizes[kind] += count
    if sizes.total() > left:
        raise BadFolder("weights_truncated", path)
    return sizes


def _tensors(header: bytes, path: Path) -> Iterator[tuple[str, int]]:
    for number, found in enumerate(TENSOR.finditer(header)):
        if number >= MAX_TENSORS:
            params = {"key": "header", "value": len(header)}
            raise BadFolder("model_config_value", path, **params)
        try:
            tensor = json.loads(found[0])
        except ValueError:
            continue
        offsets = tensor.get("data_offsets")
        if offsets is None:  # metadata
            continue
        if not _are_offsets(offsets):
            params = {"key": "data_offsets", "value": str(offsets)[:100]}
            raise BadFolder("model_config_value", path, **params)
        kind = tensor.get("dtype")
        known = isinstance(kind, str) and kind in FLOATS
        yield kind if known else "", offsets[1] - offsets[0]


def _are_offsets(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(each) is int for each in value)
        and 0 <= value[0] <= value[1]
    )


def served_bytes(weights: Mapping[str, int], element: int) -> int:
    """Once an engine has converted what it converts. element: bytes of the type that it
    serves."""
    return sum(
        size * element // FLOATS[kind] if kind in FLOATS else size
        for kind, size in weights.items()
    )
