import pynvml
import pytest

from monitoring.collectors.gpus import GpuSeen, Nvml
from tests.fakes import nvml as fake

DRIVER_MISMATCH, GPU_LOST, NO_PERMISSION = 18, 15, 4


@pytest.fixture
def nvml():
    fake.load()
    reader = Nvml()
    yield reader
    if reader.ready:
        pynvml.nvmlShutdown()


def test_read_sees_each_gpu(nvml):
    fake.say(*(fake.a_gpu(n, free=1000 * n) for n in range(8)))
    seen = nvml.read()
    assert [gpu.free_mib for gpu in seen] == [1000 * n for n in range(8)]
    assert seen[3] == GpuSeen(
        uuid="GPU-0003", index=3, name="Fake GPU", memory_mib=24576, free_mib=3000
    )


def test_read_sees_memory_move(nvml):
    fake.say(fake.a_gpu(0, free=24000))
    assert nvml.read()[0].free_mib == 24000
    fake.say(fake.a_gpu(0, free=500))
    assert nvml.read()[0].free_mib == 500


def test_read_goes_on_without_a_gpu_that_was_never_reached(nvml):
    fake.say(fake.a_gpu(0), fake.a_gpu(1, result=GPU_LOST), fake.a_gpu(2))
    assert [gpu.uuid for gpu in nvml.read()] == ["GPU-0000", "GPU-0002"]


@pytest.mark.parametrize(
    ("result", "lost"),
    [(GPU_LOST, True), (16, True), (999, True), (NO_PERMISSION, False)],
)
def test_read_tells_a_lost_gpu_from_one_that_keeps_silent(nvml, result, lost):
    fake.say(fake.a_gpu(0), fake.a_gpu(1))
    nvml.read()
    fake.say(fake.a_gpu(0), fake.a_gpu(1, result=result))
    assert [(gpu.uuid, gpu.lost) for gpu in nvml.read()] == [
        ("GPU-0000", False),
        ("GPU-0001", lost),
    ]
    fake.say(fake.a_gpu(0), fake.a_gpu(1))
    assert [gpu.lost for gpu in nvml.read()] == [False, False]


def test_read_without_a_working_driver_knows_nothing_and_says_so_once(nvml, caplog):
    caplog.set_level("INFO")
    fake.say(init=DRIVER_MISMATCH)
    assert (nvml.read(), nvml.read()) == (None, None)
    [said] = [record.message for record in caplog.records]
    assert said.startswith("NVML: ") and "version mismatch" in said


def test_read_finds_a_driver_that_comes_back(nvml):
    fake.say(init=DRIVER_MISMATCH)
    assert nvml.read() is None
    fake.say(fake.a_gpu(0))
    assert len(nvml.read()) == 1
