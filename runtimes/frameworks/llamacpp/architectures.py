"""Which model architectures an installed llama.cpp knows, without starting it.

Its library holds their names as text. A name that only ends like one of them passes:
the engine has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from runtimes.frameworks.byte_search import contains
from runtimes.frameworks.engines import Engine
from runtimes.frameworks.fields import kind_of
from runtimes.frameworks.llamacpp.options import DEFAULT, LLAMA_SERVER

# In the library that holds the names, and in no other
LOADER = b"general.architecture\0"
PACKAGES = "lib/python3*/site-packages"
BINDINGS = (f"{PACKAGES}/llama_cpp/lib/libllama.*", f"{PACKAGES}/xllamacpp/*.so")


def knows(engine: Engine, names: Sequence[str]) -> bool | None:
    """Whether it knows one of them. None: that shows only when it is started."""
    found = (file for file in _libraries(engine) if contains(file, LOADER))
    library = next(found, None)
    if library is None or not names:
        return None
    return any(contains(library, name.encode() + b"\0") for name in names)


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
