"""Installed engines as their files look."""

from pathlib import Path

from runtimes.frameworks.engines import Engine


def an_engine(name, program) -> Engine:
    return Engine(name=name, version="1", accelerator="cpu", program=str(program))


def a_home(root: Path, file: str, content: bytes) -> Path:
    path = root / "lib/python3.11/site-packages" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return root / "bin/python"
