"""Image lines, with a real Docker daemon."""

import pytest

from models_app.models import ServedModel
from runtimes import registry
from runtimes.drivers.dockerd import Daemon, about
from runtimes.preflight.report import preflight
from tests.runtimes.drivers.daemons import IMAGE

pytestmark = pytest.mark.django_db


@pytest.fixture
def images(settings, dockerd):
    """The image of llama.cpp exists, that of one of its engines does not."""
    known = {"llama.cpp": IMAGE, "llama-server": "no-such-image:1"}
    docker = {"url": dockerd.url, "images": known}
    options = settings.DRIVER_OPTIONS
    settings.DRIVER_OPTIONS = {**options, "docker": {**options["docker"], **docker}}
    registry.driver.cache_clear()
    yield
    registry.driver.cache_clear()


@pytest.mark.parametrize(
    ("config", "level", "text"),
    [
        ({}, "ok", f"{IMAGE}, "),
        ({"engine": "llama-server"}, "error", "The image no-such-image:1 is not on"),
        ({"n_ctx": 0}, "ok", f"{IMAGE}, "),
    ],
)
def test_image_is_that_of_the_engine(gguf, images, config, level, text):
    model = ServedModel(driver="docker", config={"model_path": str(gguf), **config})
    found = next(f for f in preflight(model) if f.name == "image")
    assert found.level == level
    assert found.message.startswith(text)
    assert bool(found.advice) == (level == "error")


def gpu_line(gguf):
    config = {"model_path": str(gguf)}
    model = ServedModel(driver="docker", config=config, gpu_count=1)
    return next(f for f in preflight(model) if f.name == "image")


def test_containers_have_gpus_with_the_toolkit(
    gguf, images, dockerd, tmp_path, monkeypatch
):
    hook = tmp_path / "bin/nvidia-container-runtime-hook"
    hook.parent.mkdir()
    monkeypatch.setenv("PATH", str(hook.parent))
    if "nvidia" not in about(Daemon(dockerd.url)).runtimes:
        found = gpu_line(gguf)
        assert found.level == "error"
        assert found.message.endswith("Its containers cannot use GPUs.")
        assert found.advice.startswith("Install the NVIDIA Container Toolkit")
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    assert gpu_line(gguf).level == "ok"
