"""Which kinds of models an installed engine knows, without starting it.

llama.cpp holds their names as text in its library, vLLM in a list in its source. A name
that only ends like one of them passes: the engine has the last word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from runtimes.frameworks.fields import kind_of
from runtimes.installations.discovery import DEFAULT, LLAMA_SERVER, Engine

# Told of the library that holds the names, and of no other
LOADER = b"general.architecture\0"
CHUNK = 2**20
PACKAGES = "lib/python3*/site-packages"
VLLM_LIST = f"{PACKAGES}/vllm/model_executor/models/registry.py"
BINDINGS = (f"{PACKAGES}/llama_cpp/lib/libllama.*", f"{PACKAGES}/xllamacpp/*.so")


def known(engine: Engine, names: Sequence[str]) -> bool | None:
    """Whether it knows one of them. None: that shows only when it is started. vLLM may
    run what it does not list, too, by the code of another package."""
    if engine.name.startswith("vllm"):
        home = Path(engine.program).parents[1]
        lists = home.glob(VLLM_LIST)
        texts = [f'"{name}"'.encode() for name in names]
        return any(_holds(file, text) for file in lists for text in texts) or None
    library = next((file for file in _libraries(engine) if _holds(file, LOADER)), None)
    if library is None or not names:
        return None
    return any(_holds(library, name.encode() + b"\0") for name in names)


def _libraries(engine: Engine) -> Iterator[Path]:
    if engine.name == DEFAULT:
        package = metadata.distribution(engine.name)
        files = package.files or ()
        yield from (
            Path(str(package.locate_file(f))) for f in files if f.suffix == ".so"
        )
    elif kind_of(engine.name) == LLAMA_SERVER:
        program = Path(engine.program).resolve()
        yield program
        yield from program.parent.glob("libllama.*")
        yield from program.parent.parent.glob("lib/libllama.*")
    else:
        home = Path(engine.program).parents[1]
        yield from (file for pattern in BINDINGS for file in home.glob(pattern))


def _holds(file: Path, text: bytes) -> bool:
    try:
        about = file.stat()
        return _search(file, text, about.st_mtime_ns, about.st_size)
    except OSError:
        return False


@lru_cache(maxsize=512)
def _search(file: Path, text: bytes, *_version: int) -> bool:
    """Libraries with code for GPUs are large; what is looked for lies near their
    beginning, as a rule."""
    overlap = len(text) - 1
    with file.open("rb", buffering=0) as opened:
        while len(chunk := opened.read(CHUNK)) > overlap:
            if text in chunk:
                return True
            opened.seek(-overlap, os.SEEK_CUR)
    return False
