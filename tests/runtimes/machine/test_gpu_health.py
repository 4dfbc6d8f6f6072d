import pytest
from django.conf import settings

from models_app.models import Activity
from runtimes.machine import inventory
from runtimes.machine.gpu_health import GpuHealth
from runtimes.machine.nvml import Nvml
from runtimes.models import Gpu
from tests.fakes import nvml as fake

pytestmark = pytest.mark.django_db


@pytest.fixture
def nvml():
    fake.load()
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    reader = Nvml()
    inventory.write(reader.read())
    yield reader
    reader.close()


def look(nvml, health):
    """As the monitor does each second."""
    inventory.write(nvml.read())
    health.step(nvml)


def recorded_codes():
    return list(Activity.objects.order_by("pk").values_list("code", flat=True))


def unhealthy():
    gpus = Gpu.objects.exclude(unhealthy_code="")
    return {g.uuid: (g.unhealthy_code, g.unhealthy_params) for g in gpus}


@pytest.mark.parametrize(
    ("xids", "fault"),
    [
        ([13, 31, 43, 45, 68, 109, 63, 92, 121, 94, 8], None),
        ([99999], None),
        ([13, 62], ("gpu_needs_reset", {"xid": 62})),
        ([62, 119, 79, 95], ("gpu_needs_reboot", {"xid": 79})),
    ],
)
def test_xid_makes_its_gpu_unhealthy_or_does_not(nvml, xids, fault):
    health = GpuHealth()
    for xid in xids:
        fake.happen(1, xid)
    look(nvml, health)
    assert unhealthy() == ({"GPU-0001": fault} if fault else {})


def test_fault_is_reported_once_with_its_reason(nvml):
    health = GpuHealth()
    for _ in range(3):
        fake.happen(1, 62)
        look(nvml, health)
    [event] = Activity.objects.all()
    assert event.reason_code == "gpu_needs_reset"
    assert "XID 62" in event.message
    assert Gpu.objects.get(uuid="GPU-0001").unhealthy_since


def test_fault_of_a_gpu_without_a_row_is_passed_over(nvml):
    fake.happen(1, 62)
    nvml.read()
    Gpu.objects.all().delete()
    GpuHealth().step(nvml)
    assert not nvml.events


def test_gpu_that_fell_off_the_bus_is_healthy_once_it_is_back(nvml):
    health = GpuHealth()
    fake.happen(1, 79)
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1, result=15))
    look(nvml, health)
    look(nvml, health)
    assert set(unhealthy()) == {"GPU-0001"}
    assert Gpu.objects.get(uuid="GPU-0001").lost
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    look(nvml, health)
    assert unhealthy() == {}
    assert recorded_codes() == [
        "gpu_is_lost", "gpu_is_unhealthy", "gpu_is_back", "gpu_is_healthy"
    ]  # fmt: skip


def test_driver_mismatch_leaves_all_as_it_is_and_is_reported_once(nvml):
    before = list(Gpu.objects.order_by("pk").values())
    for _ in range(2):  # the second is a monitor that was restarted meanwhile
        health = GpuHealth(patience_s=0)
        fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1), init=18)
        look(nvml, health)
        look(nvml, health)
    assert list(Gpu.objects.order_by("pk").values()) == before
    [event] = Activity.objects.all()
    assert event.params == {
        "node": settings.NODE_NAME,
        "detail": "RM has detected an NVML/RM version mismatch",
    }
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    look(nvml, health)
    look(nvml, health)
    assert recorded_codes() == ["gpus_unreadable", "gpus_readable"]


def test_driver_that_is_away_for_a_moment_is_no_news(nvml):
    health = GpuHealth()
    fake.set_gpus(init=18)
    look(nvml, health)
    look(nvml, health)
    assert recorded_codes() == []


def test_machine_without_gpus_has_none_to_miss(nvml):
    Gpu.objects.all().delete()
    fake.set_gpus(init=9)
    health = GpuHealth(patience_s=0)
    look(nvml, health)
    assert recorded_codes() == []
