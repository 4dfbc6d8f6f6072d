import os

import psutil
import pytest

from models_app.models import Activity
from monitoring import inventory
from monitoring.collectors.gpus import GpuSeen
from runtimes.models import Gpu, Node

pytestmark = pytest.mark.django_db


def a_gpu(index, free=24000, lost=False):
    return GpuSeen(
        uuid=f"GPU-{index}",
        index=index,
        name="n",
        memory_mib=24576,
        free_mib=free,
        lost=lost,
    )


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


def test_write_of_what_is_not_known_leaves_gpus_as_they_were():
    inventory.write([a_gpu(0)])
    inventory.write(None)
    assert Gpu.objects.filter(present=True).count() == 1


def test_write_tells_once_that_a_gpu_is_lost_and_that_it_is_back():
    for lost in (False, True, True, False):
        inventory.write([a_gpu(0, lost=lost)])
    told = Activity.objects.order_by("pk").values_list("code", flat=True)
    assert list(told) == ["gpu_is_lost", "gpu_is_back"]
