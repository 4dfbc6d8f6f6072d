"""Every default rule fires and ends, with its own durations, from what it is about:
GPUs of the fake driver, a slow and a failing engine behind the gateway, a small disk,
rows, files. Only time is not real: a tick is 10 seconds."""

import asyncio
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone
from knox.crypto import hash_token

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.usage.history import HistoryWriter, Interval
from models_app.models import ApiToken
from monitoring.alerts.manager import Manager
from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.presets import PRESETS
from monitoring.collectors.sampler import Sampler
from monitoring.history.recorder import Recorder
from monitoring.models import Watermark
from runtimes.machine.nvml import Nvml
from tests.builders import a_model, a_run, a_token, a_user
from tests.environment import PRIVATE_NETWORK
from tests.fakes import nvml as fake
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    TOKEN,
    a_grant,
    a_route,
    a_table,
    fetch,
)
from tests.gateway.conftest import FakeLoader
from tests.gateway.engine import Engine, Script

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_rules")]

STEP_S = 10
# Longer than any window and delay of a default rule
LONG_S = 1800


class World:
    """What the monitor does, and a clock."""

    def __init__(self):
        self.now = time.time() // STEP_S * STEP_S
        fake.load()
        fake.set_gpus(fake.a_gpu(0))
        self.nvml = Nvml()
        self.sampler = Sampler()
        self.sampler.recorder = Recorder("monitor", clock=lambda: self.now)
        self.manager = Manager()

    def close(self):
        self.sampler.traffic.close()
        self.sampler.host.close()
        self.nvml.close()

    def run(self, seconds):
        for _ in range(0, seconds, STEP_S):
            self.now += STEP_S
            self.sampler.step(self.nvml.read(), [])
            self.sampler.recorder.flush(include_open=False)
            self.manager.details = self.sampler.platform.details
            self.manager.series.next_read = 0
            self.manager.series.update(self.sampler.recorder, self.now)
            self.manager.evaluate(self.now)

    def run_until(self, condition):
        for _ in range(0, LONG_S, STEP_S):
            if condition():
                return
            self.run(STEP_S)
        assert condition()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


def states(preset):
    rows = Alert.objects.filter(preset=preset).order_by("pk")
    return list(rows.values_list("state", flat=True))


def check(world, preset, *, begin, end):
    """Not before its time, then once; and it ends."""
    for_s = PRESETS[preset].get("for_s", 0)
    world.run(60)
    assert states(preset) == []
    begin()
    begun = world.now
    world.run_until(lambda: states(preset) == ["firing"])
    assert world.now - begun >= for_s
    end()
    world.run_until(lambda: states(preset) == ["resolved"])


@pytest.mark.parametrize(
    ("preset", "bad"),
    [
        ("gpu_utilization", {"utilization": 97}),
        ("gpu_temperature", {"temperature": 88}),
        ("gpu_unavailable", {"result": 15}),
    ],
)
def test_gpu(world, preset, bad):
    check(
        world,
        preset,
        begin=lambda: fake.set_gpus(fake.a_gpu(0, **bad)),
        end=lambda: fake.set_gpus(fake.a_gpu(0)),
    )


def test_gpu_between_both_thresholds_keeps_firing(world):
    fake.set_gpus(fake.a_gpu(0, temperature=88))
    world.run(300)
    fake.set_gpus(fake.a_gpu(0, temperature=78))
    world.run(300)
    assert states("gpu_temperature") == ["firing"]
    fake.set_gpus(fake.a_gpu(0, temperature=74))
    world.run(120)
    assert states("gpu_temperature") == ["resolved"]


def test_gpu_that_reports_errors(world):
    check(world, "gpu_errors", begin=lambda: fake.happen(0, 13), end=lambda: None)


def serve(script, number):
    """Counts of a gateway after so many requests to such an engine."""

    async def requests():
        engine, loader = Engine(script=script), FakeLoader()
        await engine.start()
        grants = {hash_token(TOKEN): a_grant()}
        loader.table = a_table(a_route("smol", engine.replica), grants=grants)
        subscription = Subscription(os.environ.get("REDIS_URL", "redis://127.0.0.1:1"))
        gateway = Gateway(loader, subscription, Timing(unknown_token_gap_s=0.01))
        await asyncio.gather(
            *(fetch(gateway, "POST", CHAT, CHAT_BODY) for _ in range(number))
        )
        counts = gateway.usage.drain()
        await gateway.close()
        await subscription.close()
        await engine.stop()
        return counts

    return asyncio.run(requests())


@pytest.mark.parametrize(
    ("preset", "bad"),
    [
        ("response_time", Script(pieces=("Hello",), delay_s=2.6)),
        ("error_rate", Script(fails="at once")),
    ],
)
def test_traffic(world, preset, bad):
    writer = HistoryWriter(Recorder("gateway", clock=lambda: world.now))

    def report(counts):
        writer.queue.append(Interval(world.now, counts, {7: "smol"}))
        writer.write(force=True)

    good, failed = serve(Script(), 14), serve(bad, 14)
    report(good)
    check(
        world,
        preset,
        begin=lambda: [report(failed) for _ in range(2)],
        end=lambda: (world.run(600), [report(good) for _ in range(2)]),
    )


@pytest.fixture(params=["tmpfs"] if PRIVATE_NETWORK else [])
def small_disk(tmp_path):
    """Mounting needs a mount namespace of the tests' own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True
    )
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("preset", ["disk_space", "model_disk_space"])
def test_disk(small_disk, settings, preset):
    is_data = preset == "disk_space"
    settings.DATA_DIR = small_disk if is_data else settings.DATA_DIR
    settings.MODEL_ROOTS = [settings.DATA_DIR if is_data else small_disk]
    world = World()
    filler = small_disk / "filler"
    check(
        world,
        preset,
        begin=lambda: filler.write_bytes(b"x" * int(7.6 * 2**20)),
        end=filler.unlink,
    )
    world.close()


@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        ("model_error", {"status": "error"}),
        (
            "model_waiting",
            {
                "status": "waiting",
                "desired_state": "running",
                "waiting_since": timezone.now() - timedelta(seconds=650),
            },
        ),
    ],
)
def test_model(world, preset, fields):
    model = a_model(status="running", desired_state="running")
    rows = type(model).objects.filter(pk=model.pk)
    check(
        world,
        preset,
        begin=lambda: rows.update(**fields),
        end=lambda: rows.update(status="running"),
    )


def test_model_that_restarts_again_and_again(world):
    model = a_model(status="running", desired_state="running")

    def fail():
        for _ in range(3):
            ended = {"ended_at": timezone.now(), "end_code": "engine_exited"}
            a_run(model, "ended", **ended)

    check(world, "restart_loop", begin=fail, end=lambda: None)


def test_worker(world):
    def seen(ago_s):
        at = int(time.time()) - ago_s
        Watermark.objects.update_or_create(name="roll_up", defaults={"at": at})

    seen(0)
    check(world, "worker_silent", begin=lambda: seen(400), end=lambda: seen(0))


def test_history(world, settings):
    def need(mib):
        settings.STORE_MIN_FREE_MIB = mib

    need(0)
    check(world, "history_paused", begin=lambda: need(10**9), end=lambda: need(0))


def test_token(world):
    user = a_user("operator")

    def expires(days):
        ApiToken.objects.update(expiry=timezone.now() + timedelta(days=days))
        world.sampler.platform.slow_at = 0

    a_token(user, "ci")
    expires(30)
    check(world, "token_expiry", begin=lambda: expires(3), end=lambda: expires(30))
    assert Alert.objects.get(preset="token_expiry").detail == "ci"


def certificate(days):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "llm.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_certificate(world, settings, tmp_path):
    file = tmp_path / "server.pem"
    settings.CERTIFICATE_FILES = [tmp_path / "gone.pem", file]

    def expires(days):
        file.write_bytes(certificate(days))
        world.sampler.platform.slow_at = 0

    expires(90)
    check(
        world, "certificate_expiry", begin=lambda: expires(9), end=lambda: expires(90)
    )


def test_quiet_platform_fires_nothing(world):
    a_model(status="running", desired_state="running")
    world.run(900)
    assert list(Alert.objects.all()) == []


def test_all_default_rules_are_tested_here_or_by_the_worker():
    text = Path(__file__).read_text()
    untested = {name for name in PRESETS if f'"{name}"' not in text}
    assert untested == {"monitor_" + "silent"}
    assert AlertRule.objects.filter(enabled=True).count() == len(PRESETS)
