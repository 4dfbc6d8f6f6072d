import pytest

from runtimes.checks.docker import docker
from runtimes.registry import driver
from tests.builders import a_model
from tests.fakes import nvml
from tests.runtimes.drivers.daemons import IMAGE

pytestmark = pytest.mark.django_db

IMAGES = {"llama.cpp": IMAGE, "vllm": "none-such:1", "vllm-cpu": "none-such:2"}
ON_HUB = {"model_name": "org/name"}


@pytest.fixture
def at(settings):
    """Names the daemon of this installation."""

    def url(url):
        driver.cache_clear()
        options = {"url": url, "images": IMAGES}
        settings.DRIVER_OPTIONS = {**settings.DRIVER_OPTIONS, "docker": options}

    nvml.load()
    nvml.set_gpus()
    yield url
    driver.cache_clear()


def found():
    return {finding.name: finding for finding in docker()}


def levels():
    return {name: str(finding.level) for name, finding in found().items()}


def test_daemon_that_no_model_needs_may_be_away(at, tmp_path):
    at(f"unix://{tmp_path}/none")
    assert levels() == {"docker": "ok"}
    assert f"{tmp_path}/none" in found()["docker"].message


def test_daemon_that_a_model_needs_is_missed(at, tmp_path):
    at(f"unix://{tmp_path}/none")
    a_model(driver="docker")
    assert levels() == {"docker": "warning"}
    assert "Start Docker" in found()["docker"].advice


def test_images_that_are_here_are_listed(at, dockerd):
    at(dockerd.url)
    assert levels() == {"docker": "ok", "image llama.cpp": "ok"}
    assert found()["docker"].message.endswith(f", {dockerd.url}")
    assert found()["image llama.cpp"].message.startswith(f"{IMAGE}, ")


@pytest.mark.parametrize(("gpus", "lacking"), [(0, "vllm-cpu"), (1, "vllm")])
def test_image_that_a_model_needs_is_missed(at, dockerd, gpus, lacking):
    at(dockerd.url)
    a_model(driver="docker", framework="vllm", config=ON_HUB, gpu_count=gpus)
    a_model("other", driver="process", framework="vllm", config=ON_HUB)
    shown = found()
    missed = {name for name, f in shown.items() if "pull_engine_image" in f.advice}
    assert missed == {f"image {lacking}"}
    assert not [f for f in shown.values() if f.level == "error"]  # deployments go on
    advice = shown[f"image {lacking}"].advice
    assert f"./manage.py pull_engine_image {lacking}," in advice


def test_gpus_that_containers_cannot_have_are_reported(at, dockerd):
    at(dockerd.url)
    nvml.set_gpus(nvml.a_gpu(0))
    gpus = found()["docker gpus"]
    assert (str(gpus.level), "nvidia-ctk" in gpus.advice) == ("warning", True)
