import os

import psutil
import pytest

from common import clock
from models_app.models import Activity
from runtimes.machine import inventory
from runtimes.machine.maintenance import mark_unhealthy
from runtimes.machine.nvml import GpuSeen
from runtimes.models import Gpu, Node

pytestmark = pytest.mark.django_db


def a_gpu(index, free=24000, **fields):
    given = {"memory_total": 24576, "memory_free": free, **fields}
    return GpuSeen(uuid=f"GPU-{index}", index=index, name="n", **given)


def test_write_describes_this_machine():
    node = inventory.write([])
    assert node.cpu_cores == len(os.sched_getaffinity(0))
    assert node.memory_mib == psutil.virtual_memory().total // 2**20


def test_write_again_updates_and_keeps_the_ledger():
    inventory.write([a_gpu(0), a_gpu(1)])
    Node.objects.update(version=7)
    inventory.write([a_gpu(0, free=5)])
    assert Node.objects.get().version == 7
    assert list(Gpu.objects.values_list("uuid", "free_mib", "present")) == [
        ("GPU-0", 5, True),
        ("GPU-1", 24000, False),
    ]
    inventory.write([a_gpu(0), a_gpu(1)])
    assert Gpu.objects.filter(present=True).count() == 2


def test_write_keeps_what_operators_set_for_a_gpu():
    inventory.write([a_gpu(0)])
    Gpu.objects.update(mode="drained")
    inventory.write([a_gpu(0, free=5)])
    assert Gpu.objects.values_list("mode", "free_mib").get() == ("drained", 5)


@pytest.mark.parametrize("count", [1, 8])
def test_write_takes_a_constant_number_of_queries(count, django_assert_num_queries):
    gpus = [a_gpu(n) for n in range(count)]
    inventory.write(gpus)
    with django_assert_num_queries(10):
        inventory.write(gpus)


@pytest.mark.parametrize(
    ("boot", "lately", "now", "healthy"),
    [
        ("", [], [a_gpu(0)], False),
        ("", [a_gpu(0, lost=True)], [a_gpu(0, lost=True)], False),
        ("", [a_gpu(0, lost=True)], [a_gpu(0)], True),
        ("", [a_gpu(1)], [a_gpu(0), a_gpu(1)], True),
        ("", None, [a_gpu(0)], False),
        ("before", [], [a_gpu(0)], True),
        ("before", [], [a_gpu(0, lost=True)], False),
    ],
)
def test_unhealthy_gpu_is_healthy_once_it_was_reset(boot, lately, now, healthy):
    inventory.write([a_gpu(0), a_gpu(1)])
    mark_unhealthy(Gpu.objects.get(uuid="GPU-0"), "gpu_needs_reset", {"xid": 62})
    Gpu.objects.filter(uuid="GPU-0").update(unhealthy_boot=boot or clock.boot_id())
    if lately != []:
        inventory.write(lately)
    inventory.write(now)
    assert (Gpu.objects.get(uuid="GPU-0").unhealthy_code == "") is healthy
    recorded = Activity.objects.filter(code="gpu_is_healthy").count()
    assert recorded == (1 if healthy else 0)


def test_write_of_what_is_not_known_leaves_gpus_as_they_were():
    inventory.write([a_gpu(0)])
    inventory.write(None)
    assert Gpu.objects.filter(present=True).count() == 1


def test_write_records_once_that_a_gpu_is_lost_and_that_it_is_back():
    for lost in (False, True, True, False):
        inventory.write([a_gpu(0, lost=lost)])
    recorded = Activity.objects.order_by("pk").values_list("code", flat=True)
    assert list(recorded) == ["gpu_is_lost", "gpu_is_back"]


def test_gpu_without_reported_memory_is_shown_and_has_no_room():
    inventory.write([a_gpu(0, free=None, memory_total=None)])
    assert Gpu.objects.values_list("memory_mib", "free_mib", "present").get() == (
        (0, None, True)
    )


def test_gpu_that_reports_its_memory_no_longer_keeps_it():
    inventory.write([a_gpu(0)])
    inventory.write([a_gpu(0, free=None, memory_total=None)])
    assert Gpu.objects.get().memory_mib == 24576
