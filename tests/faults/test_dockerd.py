"""A Docker daemon that goes away takes nothing with it, and nothing is lost over it."""

import os
import signal

import pytest

from runtimes.drivers.containers import name_of
from tests.faults.installation import Installation
from tests.runtimes.drivers.daemons import IMAGE

pytestmark = pytest.mark.fault


@pytest.fixture
def site(dockerd):
    settings = {"DOCKER_HOST": dockerd.url, "DOCKER_IMAGE_LLAMACPP": IMAGE}
    with Installation(**settings) as installation:
        for name, driver in (("plain", "process"), ("boxed", "docker")):
            installation.add(name, n_threads=1)
            installation.update_model(name, driver=driver, cpu_cores=1)
        installation.start("worker", "monitor")
        for name in ("plain", "boxed"):
            installation.request("start", name)
            installation.until_status(name, "running", 60)
        yield installation
    dockerd.recover()
    dockerd.clear()


def uids(site):
    return {
        name: [run["uid"] for run in site.runs(name)] for name in ("plain", "boxed")
    }


def reasons(site):
    return {name: site.model(name)["reason_code"] for name in ("plain", "boxed")}


def activities(site, code):
    return site.rows("select * from models_app_activity where code=?", code)


def test_models_go_on_without_the_daemon_and_are_known_again(site, dockerd):
    before = uids(site)
    engine = dockerd.engine_pid(name_of(site.runs("boxed")[-1]["uid"]))
    dockerd.stop()
    [unseen] = site.until(lambda: activities(site, "engines_unseen"))
    assert '"boxed"' in unseen["params"]
    assert '"plain"' not in unseen["params"]
    assert reasons(site) == {"plain": "", "boxed": "engine_unseen"}
    dockerd.start()
    site.until(lambda: activities(site, "engines_seen"))
    assert uids(site) == before
    assert reasons(site) == {"plain": "", "boxed": ""}
    assert {site.model(name)["status"] for name in before} == {"running"}

    dockerd.stop()
    os.kill(engine, signal.SIGKILL)
    site.until(lambda: len(activities(site, "engines_unseen")) == 2)
    dockerd.start()
    site.until(lambda: len(site.runs("boxed")) == 2)
    assert site.runs("boxed")[0]["end_code"] == "killed"
    site.until_status("boxed", "running", 60)
    assert uids(site)["plain"] == before["plain"]
