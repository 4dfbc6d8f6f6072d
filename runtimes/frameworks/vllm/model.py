"""The model of a vLLM config: a folder of this machine, or a model of a hub by its id.

A folder is made by others: links must not lead out of the model folders, and what is
read of it here is small.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from common.problems import Problem, as_json
from runtimes.frameworks.paths import path_problem, resolve_inside

FIELD = "config.model_name"
# Neither "-" in front, which would be an option, nor "." or "/": paths are absolute.
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
EXPECTED = "an absolute path of a folder, or an id such as org/name"
CONFIG = "config.json"
CONFIG_BYTES = 2**20  # the largest that are known have a few tens of KB
WEIGHTS = (".safetensors", ".bin", ".pt")
ENTRIES = 10_000  # of a folder: the largest models have hundreds of files


def is_folder(name: str) -> bool:
    return name.startswith("/")


def check_model(name: str, model_roots: Sequence[Path]) -> Problem | None:
    if is_folder(name):
        return _check_folder(name, model_roots)
    if HUB_ID.fullmatch(name) and ".." not in name:
        return None
    params: dict[str, object] = {
        "key": "model_name",
        "value": as_json(name),
        "expected": EXPECTED,
    }
    return Problem(code="wrong_type", field=FIELD, params=params)


def described(name: str) -> Mapping[str, Any]:
    """config.json of a folder; empty: nothing is known of the model here."""
    try:
        with (Path(name) / CONFIG).open("rb") as file:
            text = file.read(CONFIG_BYTES + 1)
        found = json.loads(text) if len(text) <= CONFIG_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def attention_heads(description: Mapping[str, Any]) -> int | None:
    """Multimodal models state it for their text part."""
    parts = [description, description.get("text_config"), description.get("llm_config")]
    for part in parts:
        heads = part.get("num_attention_heads") if isinstance(part, dict) else None
        if isinstance(heads, int) and heads > 0:
            return heads
    return None


def weights_mib(name: str) -> int:
    """On disk; 0: not here."""
    try:
        sizes = [p.stat().st_size for p in entries(Path(name)) if p.suffix in WEIGHTS]
    except OSError:
        return 0
    return sum(sizes) // 2**20


def _check_folder(name: str, model_roots: Sequence[Path]) -> Problem | None:
    real = resolve_inside(name, model_roots, FIELD)
    if isinstance(real, Problem):
        return real
    try:
        if not stat.S_ISDIR(real.stat().st_mode):
            return path_problem("not_a_folder", FIELD, name)
        return next(_troubles(Path(name), model_roots), None)
    except (FileNotFoundError, NotADirectoryError):
        return path_problem("file_missing", FIELD, name)
    except OSError:
        return path_problem("file_unreadable", FIELD, name)


def _troubles(folder: Path, model_roots: Sequence[Path]) -> Iterator[Problem]:
    found = [*entries(folder)]
    for entry in found:
        real = resolve_inside(str(entry), model_roots, FIELD)
        if isinstance(real, Problem):
            yield real
    config = folder / CONFIG
    if not config.exists():
        yield path_problem("file_missing", FIELD, config)
    elif not config.is_file() or not described(str(folder)):
        yield path_problem("bad_model_config", FIELD, config, max=CONFIG_BYTES)
    if not any(e.suffix in WEIGHTS and e.is_file() for e in found):
        yield path_problem("no_weights", FIELD, folder, expected=list(WEIGHTS))


def entries(folder: Path) -> Iterator[Path]:
    return islice(folder.iterdir(), ENTRIES)
