from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils import translation
from hypothesis import settings

from tests.runtimes.drivers.daemons import running, why_not

# The same examples in each run: what is found on one machine is found on all.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

LOCALE = Path(__file__).parents[1] / "locale"

NO_DOCKER = why_not()


def pytest_terminal_summary(terminalreporter):
    if NO_DOCKER:
        terminalreporter.write_line(f"The Docker driver was not tested: {NO_DOCKER}.")


@pytest.fixture(scope="session")
def docker_daemon():
    with running() as daemon:
        yield daemon


@pytest.fixture(scope="session", params=[] if NO_DOCKER else ["dockerd"])
def dockerd(docker_daemon):
    """For tests that are left out where there can be none."""
    return docker_daemon


@pytest.fixture(scope="session", autouse=True)
def translations():
    """Compiled as the deployment does; compiled files are not in the repository."""
    for source in LOCALE.glob("*/LC_MESSAGES/*.po"):
        compiled = source.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime > source.stat().st_mtime:
            continue
        with source.open("rb") as po, compiled.open("wb") as mo:
            write_mo(mo, read_po(po))


@pytest.fixture(autouse=True)
def _quick_passwords(settings):
    """The real hasher takes a third of a second by design."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _language():
    """A request in another language leaves it to what comes after in its thread."""
    yield
    translation.deactivate()
