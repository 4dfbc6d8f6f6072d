"""The scripts, as an operator uses them: one installation from first deployment to the
last process gone. The tests build on each other, in this order."""

import json
import os
import signal
import sqlite3
import subprocess

import psutil
import pytest

from tests.scripts.deployed import ROOT, Deployed

pytestmark = [pytest.mark.engine, pytest.mark.fault]

ROLES = {"broker", "web", "api", "worker", "monitor"}


@pytest.fixture(scope="module")
def site():
    installation = Deployed()
    yield installation
    installation.remove()


@pytest.fixture(scope="module")
def output(site):
    return site.deploy()


def printed_curl(output: str) -> str:
    return output[output.index("curl ") :]


def answer(output: str) -> str:
    done = subprocess.run(
        ["bash", "-c", printed_curl(output)], capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stdout)["text"]


def test_deploy_prints_a_curl_line_that_returns_text(output):
    assert answer(output).strip()


def test_deploy_warns_of_root(output):
    assert ("warning: running as root" in output) is (os.geteuid() == 0)


def test_deploy_keeps_its_files_to_its_user(site, output):
    private = [site.data_dir, *site.data_dir.iterdir()]
    assert [p.name for p in private if p.stat().st_mode & 0o077] == []


def test_status_shows_roles_and_model(site, output):
    done = site.run("status-source.sh")
    assert done.returncode == 0
    assert "smollm2-135m-instruct  Running" in done.stdout
    assert site.roles().keys() == ROLES


def test_settings_of_the_deployment_are_kept_for_later_commands(site, output):
    for name in ("WEB_PORT", "API_PORT"):
        shown = site.run("status-source.sh", **{name: ""}).stdout
        assert f"localhost:{site.env[name]}/" in shown


def test_port_taken_by_somebody_else_stops_the_deployment_first(site, output):
    before = site.roles()
    done = site.run("deploy-source.sh", "development", WEB_PORT=site.env["API_PORT"])
    assert done.returncode == 1
    assert "are both" in done.stderr
    assert site.roles() == before


def test_newer_database_stops_the_deployment_first(site, output):
    before = site.roles()
    with sqlite3.connect(site.data_dir / "db.sqlite3", timeout=20) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('models_app', '0999_newer', '2026-01-01')"
        )
    done = site.run("deploy-source.sh", "development")
    with sqlite3.connect(site.data_dir / "db.sqlite3", timeout=20) as database:
        database.execute("DELETE FROM django_migrations WHERE name = '0999_newer'")
    assert done.returncode == 1
    assert "models_app.0999_newer" in done.stderr
    assert site.roles() == before


def test_roles_killed_come_back_and_the_engine_never_noticed(site, output):
    engine = site.engine_pids()
    before = site.roles()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.roles().keys() == ROLES)
    site.until(lambda: doctor(site).returncode == 0, 60)
    assert not set(before.values()) & set(site.roles().values())
    assert site.engine_pids() == engine
    assert answer(output).strip()


def doctor(site):
    command = [site.env["VENV"] + "/bin/python", "manage.py", "doctor"]
    return subprocess.run(command, cwd=ROOT, env=site.env, capture_output=True)


def test_supervisord_killed_leaves_no_role_and_deploying_again_mends_it(site, output):
    engine, roles = site.engine_pids(), site.roles()
    os.kill(int((site.data_dir / "supervisord.pid").read_text()), signal.SIGKILL)
    gone = psutil.wait_procs([p for p in map(process, roles.values()) if p], 10)
    assert gone[1] == []
    told_again = site.deploy()
    assert "password" not in told_again
    assert printed_curl(told_again) == printed_curl(output)
    assert site.engine_pids() == engine
    assert answer(output).strip()


def process(pid):
    return psutil.Process(pid) if psutil.pid_exists(pid) else None


def test_stop_leaves_the_engine_and_stop_engines_leaves_nothing(site, output):
    [engine] = site.engine_pids()
    assert site.run("stop-source.sh").returncode == 0
    assert site.engine_pids() == [engine]
    assert site.run("status-source.sh").returncode == 1
    done = site.run("stop-source.sh", "--engines")
    assert (done.returncode, done.stderr) == (0, "")
    assert site.processes() == []


def test_wanted_model_comes_back_with_the_next_deployment(site, output):
    assert answer(site.deploy()).strip()


@pytest.mark.parametrize("args", [[], ["nonsense"], ["production", "--nonsense"]])
def test_deploy_explains_itself_when_misused(site, args):
    done = site.run("deploy-source.sh", *args)
    assert done.returncode == 2
    assert "development|production" in done.stderr


@pytest.mark.parametrize("script", ["status-source.sh", "stop-source.sh"])
def test_script_says_where_nothing_is_deployed(site, tmp_path, script):
    done = site.run(script, DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert f"nothing is deployed in {tmp_path}" in done.stderr
