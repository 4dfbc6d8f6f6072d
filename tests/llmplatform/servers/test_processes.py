"""Several processes on the API port."""

import psutil
import pytest

from runtimes.checks import machine
from tests.llmplatform.servers.site import Site


@pytest.fixture
def site():
    with Site(API_PROCESSES="2") as site:
        yield site.serve("api")


def workers(site):
    children = psutil.Process(site.roles["api"].pid).children()
    return set(filter(is_worker, children))


def is_worker(process):
    """multiprocessing has a helper beside them."""
    try:
        return any("spawn_main" in argument for argument in process.cmdline())
    except psutil.Error:
        return False


def test_processes_share_the_port(site):
    site.until(lambda: len(workers(site)) == 2)
    for _ in range(20):
        assert site.get("api", "/healthz").status == 200


def test_doctor_knows_the_processes(site, settings):
    site.until(lambda: len(workers(site)) == 2)
    settings.API_PORT = site.ports["api"]
    *_, finding = machine.ports()
    assert (finding.level, finding.message) == ("ok", "Role api responds.")


def test_killed_process_is_replaced(site):
    site.until(lambda: len(workers(site)) == 2)
    killed = min(workers(site), key=lambda process: process.pid)
    killed.kill()
    site.until(lambda: killed not in workers(site) and len(workers(site)) == 2)
    site.until(lambda: site.answers("api"))


def test_processes_end_with_their_parent(site):
    site.until(lambda: len(workers(site)) == 2)
    left = workers(site)
    site.roles["api"].kill()
    site.until(lambda: not any(each.is_running() for each in left))
