import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.test import override_settings
from django.utils import translation
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from runtimes.frameworks.mounts import mounts
from tests import hung_mount
from tests.runtimes.drivers.daemons import running, why_not

# The same examples in each run: what is found on one machine is found on all.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("quick", settings.get_profile("fixed"), max_examples=25)
settings.load_profile("fixed")

TESTS = Path(__file__).parent
LOCALE = TESTS.parent / "locale"

NO_DOCKER = why_not()
NO_FUSE = hung_mount.why_not()
# Tests that need more than the platform's own code; test.sh --quick leaves them out.
SLOW_PATHS = {
    "browser/": pytest.mark.browser,
    "common/test_database.py": pytest.mark.process,
    "conformance/": pytest.mark.conformance,
    "engines/": pytest.mark.engine,
    "faults/": pytest.mark.fault,
    "gateway/limits/test_shared.py": pytest.mark.process,
    "llmplatform/policy/test_url_prefix.py": pytest.mark.process,
    "llmplatform/servers/": pytest.mark.process,
    "monitoring/alerts/delivery/test_apprise.py": pytest.mark.process,
    "runtimes/downloads/hubs/test_fetcher.py": pytest.mark.process,
    "runtimes/frameworks/test_mounts.py": pytest.mark.process,
    "runtimes/test_hung_mounts.py": pytest.mark.process,
    "runtimes/test_shim.py": pytest.mark.process,
    "scripts/": pytest.mark.deployment,
    "test_guard.py": pytest.mark.process,
}
SLOW = {"docker", *(mark.name for mark in SLOW_PATHS.values())}


class ByFile(LoadScopeScheduling):
    """A file stays on one worker, and so do all files that share a browser and its
    site: whatever they test is then started once."""

    def _split_scope(self, nodeid):
        path = nodeid.partition("::")[0]
        return "tests/browser" if "/browser/" in path else path


def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False  # the order below, not largest file first
    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    for item in items:
        path = str(item.path.relative_to(TESTS))
        for start, mark in SLOW_PATHS.items():
            if path.startswith(start):
                item.add_marker(mark)
        if "docker_daemon" in item.fixturenames:
            item.add_marker(pytest.mark.docker)
    # Slow ones first, or one worker would be left with them alone in the end.
    items.sort(key=lambda item: not SLOW & {mark.name for mark in item.iter_markers()})


def pytest_collection():
    gc.disable()  # next to nothing of what is made now is garbage


def pytest_collection_finish():
    """What is loaded by now stays: no search for garbage has to pass through it."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter):
    if NO_DOCKER:
        terminalreporter.write_line(f"The Docker driver was not tested: {NO_DOCKER}.")
    if NO_FUSE:
        terminalreporter.write_line(f"Hung mounts were not tested: {NO_FUSE}.")


@pytest.fixture(scope="session")
def docker_daemon():
    with running() as daemon:
        yield daemon


@pytest.fixture(scope="session", params=[] if NO_DOCKER else ["dockerd"])
def dockerd(docker_daemon):
    """For tests that are left out where there can be none."""
    return docker_daemon


@pytest.fixture(params=[] if NO_FUSE else ["fuse"])
def hung_root(settings, tmp_path):
    """A model folder that does not respond, before one that does."""
    roots = [tmp_path / "hung", tmp_path / "good"]
    for root in roots:
        root.mkdir()
    settings.MODEL_ROOTS = roots
    mounts.seconds = 0.5
    with hung_mount.hung(roots[0]):
        yield roots[0]
    mounts.seconds = settings.MODEL_ROOT_SECONDS


@pytest.fixture(scope="session", autouse=True)
def translations():
    """Compiled as the deployment does; compiled files are not in the repository."""
    for source in LOCALE.glob("*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime > source.stat().st_mtime:
            continue
        whole = compiled.with_suffix(f".{os.getpid()}")  # other workers read it
        with source.open("rb") as po, whole.open("wb") as mo:
            write_mo(mo, read_po(po))
        whole.rename(compiled)


@pytest.fixture
def short_path():
    """A folder for an installation: tmp_path is too long for Unix sockets."""
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session", autouse=True)
def _quick_settings():
    """The real hasher takes a third of a second by design. Each test client lists all
    static files, a quarter of a test's time, unless they are found on demand."""
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(autouse=True)
def _language():
    """A request in another language leaves it to what comes after in its thread."""
    yield
    translation.deactivate()
