"""Which model architectures an installed vLLM knows, by a list in its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtimes.frameworks.byte_search import contains
from runtimes.frameworks.engines import Engine

REGISTRY = "lib/python3*/site-packages/vllm/model_executor/models/registry.py"


def knows(engine: Engine, names: Sequence[str]) -> bool | None:
    """True if it lists one of them, else None: it may also run a model by the code of
    another package."""
    lists = Path(engine.program).parents[1].glob(REGISTRY)
    texts = [f'"{name}"'.encode() for name in names]
    return any(contains(file, text) for file in lists for text in texts) or None
