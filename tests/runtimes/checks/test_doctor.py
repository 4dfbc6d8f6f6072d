import json
import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from common import broker
from runtimes.checks import doctor, machine
from runtimes.checks.finding import Level
from runtimes.models import Node
from tests.fakes import nvml

LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED, DRIVER_MISMATCH = 12, 9, 18


def only(check):
    [finding] = check()
    return finding


def test_database_is_fine(db):
    assert only(doctor.database).level == Level.OK


def test_database_lacks_a_migration(db):
    [newest] = MigrationLoader(connection).graph.leaf_nodes("scheduling")
    MigrationRecorder(connection).record_unapplied(*newest)
    finding = only(doctor.database)
    assert finding.level == Level.ERROR
    assert "manage.py migrate" in finding.advice


@pytest.fixture
def lost_broker(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    broker.client.cache_clear()
    yield
    broker.client.cache_clear()


def test_broker_answers():
    assert only(doctor.broker).level == Level.OK


@pytest.mark.parametrize(
    ("embedded", "advice"),
    [(True, "deploy-source.sh production"), (False, "REDIS_URL")],
)
def test_broker_is_lost(lost_broker, settings, embedded, advice):
    settings.EMBEDDED_BROKER = embedded
    finding = only(doctor.broker)
    assert finding.level == Level.ERROR
    assert advice in finding.advice


def test_silent_worker_is_reported():
    assert only(doctor.worker).level == Level.ERROR


@pytest.mark.parametrize(
    ("age_s", "level"), [(None, "error"), (5, "ok"), (60, "error")]
)
def test_monitor_by_when_it_was_last_here(db, age_s, level):
    if age_s is not None:
        Node.objects.create(
            name=django_settings.NODE_NAME,
            cpu_cores=2,
            memory_mib=1024,
            boot_id="",
            seen_at=timezone.now() - timedelta(seconds=age_s),
        )
    assert only(doctor.monitor).level == level


def test_configuration_error_is_reported_with_its_hint(settings):
    settings.WEB_PORT = settings.API_PORT
    finding = only(doctor.configuration)
    assert finding.level == Level.ERROR
    assert "llmplatform.E006" in finding.message
    assert finding.advice


@pytest.mark.parametrize(
    ("init", "gpus", "level", "text"),
    [
        (LIBRARY_NOT_FOUND, [], "ok", "CPU only"),
        (DRIVER_NOT_LOADED, [], "ok", "CPU only"),
        (DRIVER_MISMATCH, [], "warning", "NVML"),
        (0, [], "ok", "CPU only"),
        (0, [nvml.a_gpu(0, name="Fake A"), nvml.a_gpu(1)], "ok", "Fake A, Fake GPU"),
    ],
)
def test_gpus(init, gpus, level, text):
    nvml.load()
    nvml.set_gpus(*gpus, init=init)
    finding = only(machine.gpus)
    assert finding.level == level
    assert text in finding.message


@pytest.mark.parametrize(
    ("free_mib", "total_mib", "level"),
    [
        (50_000, 100_000, "ok"),
        (10_000, 100_000, "ok"),
        (9_999, 100_000, "warning"),
        (255, 100_000, "error"),
        (255, 300, "error"),
    ],
)
def test_room_on_disk(free_mib, total_mib, level):
    assert machine.room(free_mib, total_mib) == level


@pytest.fixture
def ports(settings):
    with socket.socket() as web, socket.socket() as api:
        for listener in (web, api):
            listener.bind(("127.0.0.1", 0))
        settings.WEB_PORT = web.getsockname()[1]
        settings.API_PORT = api.getsockname()[1]
        yield web


def test_port_without_its_role(ports):
    assert [f.level for f in machine.ports()] == ["error", "error"]
    assert "is down" in next(machine.ports()).message


def test_port_taken_by_somebody_else(ports):
    ports.listen()
    finding = next(machine.ports())
    assert finding.level == Level.ERROR
    assert f"pid {os.getpid()}" in finding.message
    assert "WEB_PORT" in finding.advice


@pytest.mark.parametrize(("mode", "level"), [(0o600, "ok"), (0o644, "error")])
def test_secret_key_by_its_mode(settings, tmp_path, mode, level):
    settings.DATA_DIR = tmp_path
    key = tmp_path / "secret_key"
    key.touch()
    key.chmod(mode)
    assert only(machine.secret_key).level == level


@pytest.mark.parametrize(
    ("gpus", "names"),
    [
        ([], ["engine xllamacpp"]),
        ([nvml.a_gpu(0)], ["engine xllamacpp", "engines"]),
    ],
)
def test_engines_are_listed_and_gpus_not_forgotten(settings, tmp_path, gpus, names):
    settings.ENGINES_DIR, settings.ENGINES_PATH = tmp_path, ""
    nvml.load()
    nvml.set_gpus(*gpus)
    found = [*machine.engines()]
    assert [finding.name for finding in found] == names
    assert found[0].level == Level.OK
    assert ", cpu, " in found[0].message
    assert all(finding.level == Level.WARNING for finding in found[1:])


def test_command_reports_all_and_ends_with_1_on_errors(db, ports, capsys):
    with pytest.raises(SystemExit) as left:
        call_command("doctor", "--json")
    findings = {found["name"]: found for found in json.loads(capsys.readouterr().out)}
    assert left.value.code == 1
    assert {"database", "broker", "gpus", "disk DATA_DIR", "monitor"} <= findings.keys()
    assert all(
        found["advice"] for found in findings.values() if found["level"] == "error"
    )


def test_quiet_command_reports_only_what_is_not_ok(db, ports, capsys):
    with pytest.raises(SystemExit):
        call_command("doctor", "--quiet")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("error") for line in lines)
    assert not any(line.startswith("ok") for line in lines)


def test_command_works_where_there_is_no_database_yet(short_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        env={**os.environ, "DATA_DIR": str(short_path / "new"), "REDIS_URL": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Unapplied" in done.stdout
    assert "Traceback" not in done.stderr
