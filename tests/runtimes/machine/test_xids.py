import pytest

from runtimes.machine.nvml import Nvml
from runtimes.machine.xids import MAX_AT_ONCE, GpuEvent
from tests.fakes import nvml as fake


@pytest.fixture
def nvml():
    fake.load()
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    reader = Nvml()
    reader.read()
    yield reader
    reader.close()


@pytest.mark.parametrize(
    ("xids", "fault"),
    [
        ([8, 13, 31, 43, 45, 63, 68, 92, 94, 109, 121], ""),
        ([1, 48, 74, 154, 99999], ""),
        ([46, 62, 64, 95, 110, 119, 120, 140, 143], "gpu_needs_reset"),
        ([79], "gpu_needs_reboot"),
    ],
)
def test_what_an_xid_means_for_the_gpu(xids, fault):
    assert {GpuEvent(uuid="GPU-0", xid=xid).fault for xid in xids} == {fault}


def test_xids_are_reported_once_with_their_gpu(nvml):
    fake.happen(1, 79)
    fake.happen(0, 13)
    fake.happen(1, 31)
    assert [gpu.health_events for gpu in nvml.read()] == [1, 2]
    assert [gpu.health_events for gpu in nvml.read()] == [0, 0]
    assert list(nvml.events) == [
        GpuEvent(uuid="GPU-0001", xid=79),
        GpuEvent(uuid="GPU-0000", xid=13),
        GpuEvent(uuid="GPU-0001", xid=31),
    ]


def test_xid_of_a_gpu_that_is_gone_with_it_is_still_reported(nvml):
    fake.happen(1, 79)
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1, result=15))
    assert [gpu.health_events for gpu in nvml.read()] == [0, 1]
    assert [event.uuid for event in nvml.events] == ["GPU-0001"]


@pytest.mark.parametrize("events", ["!3", "!4", "!13"])
def test_gpu_without_xids_is_no_problem(events):
    fake.load()
    fake.set_gpus(fake.a_gpu(0, events=events), fake.a_gpu(1))
    nvml = Nvml()
    nvml.read()
    fake.happen(0, 79)
    fake.happen(1, 62)
    assert len(nvml.read()) == 2
    assert [event.xid for event in nvml.events] == [62]
    nvml.close()


def test_xids_are_reported_after_the_driver_came_back(nvml):
    fake.set_gpus(init=18)
    assert nvml.read() is None
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    nvml.read()
    fake.happen(0, 62)
    nvml.read()
    assert [event.xid for event in nvml.events] == [62]


def test_flood_of_xids_is_read_bit_by_bit(nvml):
    for _ in range(MAX_AT_ONCE + 5):
        fake.happen(0, 31)
    assert nvml.read()[0].health_events == MAX_AT_ONCE
    assert nvml.read()[0].health_events == 5
