"""Images that are fetched from a registry by a real Docker daemon."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from runtimes.drivers.base import DriverError, Pulled
from runtimes.drivers.pulling import PullError, progress
from runtimes.installations.images import missing
from runtimes.registry import driver
from tests.runtimes.drivers.registry import serving

SIZES = [3_000_000, 200_000]


@pytest.fixture
def registry():
    with serving("team/engine", SIZES) as registry:
        yield registry


@pytest.fixture
def installed(settings, dockerd):
    """Names the images of an installation that uses the daemon."""

    def name(**images):
        driver.cache_clear()
        options = {**settings.DRIVER_OPTIONS["docker"], "url": dockerd.url}
        docker = {**options, "images": images}
        settings.DRIVER_OPTIONS = {**settings.DRIVER_OPTIONS, "docker": docker}

    yield name
    driver.cache_clear()


def test_image_is_pulled_with_progress(containers, registry):
    containers.images = {"vllm": registry.image}
    with pytest.raises(DriverError, match="image_missing"):
        containers.image("vllm")
    seen = list(containers.pull("vllm"))
    assert seen[-1].layers == seen[-1].layers_done == len(SIZES)
    assert sum(SIZES) < seen[-1].bytes == seen[-1].bytes_done < 2 * sum(SIZES)
    assert sorted({progress.layers_done for progress in seen}) == [0, 1, 2]
    assert containers.image("vllm").startswith(registry.image)
    assert sum(progress.bytes for progress in containers.pull("vllm")) == 0


def test_image_of_an_engine_is_pulled(containers, registry):
    containers.images = {"vllm": "other:1", "vllm-cpu": registry.image}
    list(containers.pull("vllm", "vllm-cpu@mine"))
    assert containers.image("vllm-cpu").startswith(registry.image)


def refuse(driver, text):
    with pytest.raises(DriverError) as refused:
        list(driver.pull("vllm"))
    assert refused.value.code == "pull_failed"
    assert text in refused.value.params["detail"]


def test_image_that_the_registry_lacks_is_reported(containers, registry):
    containers.images = {"vllm": registry.image.replace(":1", ":2")}
    refuse(containers, "unknown")


def test_registry_that_is_away_is_reported(containers):
    containers.images = {"vllm": "127.0.0.1:9/team/engine:1"}
    refuse(containers, "connection refused")


def test_broken_layers_are_reported(containers):
    with serving("team/broken", [1000]) as registry:
        registry.broken = True
        containers.images = {"vllm": registry.image}
        refuse(containers, "")


def test_command_pulls_what_is_missing(installed):
    with serving("team/new", [1000]) as registry:
        installed(vllm=registry.image)
        assert list(missing("docker")) == ["vllm"]
        assert registry.image in run_command("pull_engine_image")
    assert list(missing("docker")) == []
    assert run_command("pull_engine_image") == "All images are on this machine.\n"


def test_command_reports_what_is_wrong(installed):
    installed(vllm="127.0.0.1:9/team/engine:1")
    with pytest.raises(CommandError, match=r"could not be pulled: .*refused"):
        run_command("pull_engine_image")
    with pytest.raises(CommandError, match=r"for other, only for vllm\."):
        run_command("pull_engine_image", "other")


def run_command(*args):
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def event(id, status, current=0, total=0):
    detail = {"current": current, "total": total} if total else {}
    return {"id": id, "status": status, "progressDetail": detail}


EVENTS = [
    ({"status": "Pulling from team/engine", "id": "1"}, None),
    (event("a", "Pulling fs layer"), (1, 0, 0, 0)),
    (event("b", "Already exists"), (2, 1, 0, 0)),
    (event("a", "Downloading", 10, 100), (2, 1, 100, 10)),
    (event("a", "Downloading", 60, 100), (2, 1, 100, 60)),
    (event("a", "Download complete"), (2, 1, 100, 100)),
    (event("a", "Extracting", 30, 100), (2, 1, 100, 100)),
    (event("a", "Pull complete"), (2, 2, 100, 100)),
    ({"status": "Digest: sha256:0"}, None),
]


def test_progress_is_counted_by_layers_and_bytes():
    seen = progress(event for event, _ in EVENTS)
    expected = [
        Pulled(layers=layers, layers_done=done, bytes=total, bytes_done=fetched)
        for layers, done, total, fetched in (total for _, total in EVENTS if total)
    ]
    assert list(seen) == expected


def test_error_ends_the_progress():
    with pytest.raises(PullError, match="no space"):
        list(progress([event("a", "Extracting"), {"error": "no space"}]))
