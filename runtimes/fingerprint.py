"""What an approval of settings is bound to: how a model is run, and its files.

Each file counts with its path, size and modification time, and with a SHA-256: of all
of it where it is small or code, otherwise of its first MiB. Weights of many gigabytes
are not read before each start; what runs or configures them is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runtimes.drivers.containers import image_of
from runtimes.frameworks.base import Framework
from runtimes.frameworks.mounts import mounts
from runtimes.library import hub_cache
from runtimes.registry import driver, framework

MIB = 2**20
CODE = frozenset({".py", ".pyc", ".so", ".pt", ".pth", ".pkl", ".json", ".jinja"})
MAX_CODE_BYTES = 64 * MIB
MAX_FILES = 10_000
ABSENT = "absent"


def fingerprint(
    framework_name: str, driver_name: str, config: Mapping[str, Any], gpu_count: int
) -> dict[str, str]:
    """By part, see models_app.approvals. Raises PlatformError of an unknown framework
    or driver."""
    rules = framework(framework_name)
    engine = rules.engine(config, gpu_count)
    image = image_of(driver(driver_name).images, framework_name, engine)
    return {
        "framework": framework_name,
        "driver": driver_name,
        "engine": f"{engine} {image}" if image else engine,
        "model": str(config.get(rules.model_key, "")),
        "files": digest_of(_place(rules, config)),
    }


def _place(rules: Framework, config: Mapping[str, Any]) -> Path | None:
    """None: a model of a hub that has not been downloaded."""
    if model := rules.hub_model(config):
        return hub_cache.folder(model)
    return Path(str(config.get(rules.model_key, "")))


def digest_of(place: Path | None) -> str:
    """SHA-256 over a file, or over everything in a folder; "absent" of nothing, and of
    what cannot be read: a start reports that in its own words."""
    if place is None or not place.is_absolute() or mounts.hung(place):
        return ABSENT
    total = hashlib.sha256()
    try:
        for path in _files(place):
            total.update(f"{path.relative_to(place)}\0{_described(path)}\n".encode())
    except (OSError, ValueError):
        return ABSENT
    return total.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    """In a stable order. Raises ValueError for too many."""
    if not place.is_dir():
        yield place
        return
    count, seen = 0, set()
    for parent, folders, names in os.walk(place, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # a loop of links
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > MAX_FILES:
                raise ValueError(f"more than {MAX_FILES} files in {place}")
            yield Path(parent, name)


def _described(path: Path) -> str:
    status = path.stat()
    whole = path.suffix.lower() in CODE and status.st_size <= MAX_CODE_BYTES
    with path.open("rb") as file:
        content = hashlib.sha256(file.read(MIB))
        while whole and (chunk := file.read(MIB)):
            content.update(chunk)
    return f"{status.st_size} {status.st_mtime_ns} {content.hexdigest()}"
