import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtimes.machine.nvml import GpuSeen, Nvml
from tests.fakes import nvml as fake

DRIVER_MISMATCH, GPU_LOST, NO_PERMISSION = 18, 15, 4


@pytest.fixture
def nvml():
    fake.load()
    reader = Nvml()
    yield reader
    reader.close()


def test_read_sees_all_that_each_gpu_reports(nvml):
    fake.set_gpus(
        *(fake.a_gpu(n, free=1000 * n) for n in range(7)),
        fake.a_gpu(
            7,
            free=3000,
            utilization=97,
            memory_utilization=41,
            temperature=71,
            power=285,
            power_limit=300,
            clock_sm=1980,
            clock_memory=2619,
            processes={10: 20000, 11: 500},
        ),
    )
    seen = nvml.read()
    assert [gpu.memory_free for gpu in seen[:7]] == [1000 * n for n in range(7)]
    assert seen[7] == GpuSeen(
        uuid="GPU-0007",
        index=7,
        name="Fake GPU",
        memory_total=24576,
        memory_used=21576,
        memory_free=3000,
        utilization=97,
        memory_utilization=41,
        temperature=71,
        power=285.0,
        power_limit=300.0,
        clock_sm=1980,
        clock_memory=2619,
        processes={10: 20000, 11: 500},
    )


def test_read_sees_eight_gpus_move(nvml):
    for step in range(3):
        fake.set_gpus(
            *(
                fake.a_gpu(n, free=24000 - 1000 * step - n, temperature=50 + step + n)
                for n in range(8)
            )
        )
        seen = [(gpu.memory_free, gpu.temperature) for gpu in nvml.read()]
        assert seen == [(24000 - 1000 * step - n, 50 + step + n) for n in range(8)]


@pytest.mark.parametrize(
    ("refused", "unknown"),
    [
        ("utilization", {"utilization", "memory_utilization"}),
        ("temperature", {"temperature"}),
        ("power", {"power"}),
        ("power_limit", {"power_limit"}),
        ("clock_sm", {"clock_sm"}),
        ("clock_memory", {"clock_memory"}),
        ("processes", {"processes"}),
        ("memory", {"memory_total", "memory_free"}),
    ],
)
@pytest.mark.parametrize("result", [3, 4, 6, 13, 21])
def test_read_leaves_out_what_is_not_reported(nvml, refused, unknown, result):
    fake.set_gpus(fake.a_gpu(0, **{refused: f"!{result}"}))
    [seen] = nvml.read()
    fields = [name for name in GpuSeen.__slots__ if getattr(seen, name) is None]
    assert set(fields) == unknown
    assert not seen.lost


@pytest.mark.parametrize("refused", ["utilization", "power", "processes"])
@pytest.mark.parametrize(
    ("result", "lost"), [(GPU_LOST, True), (16, True), (999, False)]
)
def test_read_finds_a_lost_gpu_by_any_call(nvml, refused, result, lost):
    fake.set_gpus(fake.a_gpu(0))
    nvml.read()
    fake.set_gpus(fake.a_gpu(0, **{refused: f"!{result}"}))
    assert nvml.read()[0].lost is lost


H100 = {"total": 81559, "reserved": 480, "free": 69829}


@pytest.mark.parametrize(
    ("memory_v2", "total", "used"),
    [(0, 81079, 11250), (fake.NO_FUNCTION, 81559, 11730), ("!25", 81559, 11730)],
)
def test_memory_that_the_driver_keeps_is_nobodys(nvml, memory_v2, total, used):
    fake.set_gpus(fake.a_gpu(0, memory_v2=memory_v2, **H100))
    [seen] = nvml.read()
    assert (seen.memory_total, seen.memory_used) == (total, used)
    assert seen.memory_free == 69829


def test_read_calls_old_drivers_for_the_temperature_the_old_way(nvml):
    fake.set_gpus(fake.a_gpu(0, temperature=66, temperature_v=fake.NO_FUNCTION))
    assert nvml.read()[0].temperature == 66


@pytest.mark.parametrize(
    ("processes", "used"),
    [({10: 3000, 11: 40}, 3040), ({}, 0), ({10: None}, None), ("!3", None)],
)
def test_memory_of_a_gpu_without_its_own_is_that_of_its_processes(
    nvml, processes, used
):
    fake.set_gpus(fake.a_gpu(0, memory=fake.NOT_SUPPORTED, processes=processes))
    [seen] = nvml.read()
    assert (seen.memory_total, seen.memory_used) == (None, used)


def test_read_knows_no_size_of_a_process_that_is_not_reported(nvml):
    fake.set_gpus(fake.a_gpu(0, processes={10: None, 11: 7}))
    assert nvml.read()[0].processes == {10: None, 11: 7}


def test_read_goes_on_without_a_gpu_that_was_never_reached(nvml):
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1, result=GPU_LOST), fake.a_gpu(2))
    assert [gpu.uuid for gpu in nvml.read()] == ["GPU-0000", "GPU-0002"]


@pytest.mark.parametrize(
    ("result", "lost"),
    [(GPU_LOST, True), (16, True), (999, True), (NO_PERMISSION, False)],
)
def test_read_distinguishes_a_lost_gpu_from_a_silent_one(nvml, result, lost):
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    nvml.read()
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1, result=result))
    assert [(gpu.uuid, gpu.lost) for gpu in nvml.read()] == [
        ("GPU-0000", False),
        ("GPU-0001", lost),
    ]
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    assert [gpu.lost for gpu in nvml.read()] == [False, False]


def test_a_lost_gpu_keeps_its_size_and_no_measurement(nvml):
    fake.set_gpus(fake.a_gpu(0))
    nvml.read()
    fake.set_gpus(fake.a_gpu(0, result=GPU_LOST))
    assert nvml.read() == [
        GpuSeen(
            uuid="GPU-0000", index=0, name="Fake GPU", memory_total=24576, lost=True
        )
    ]


def test_read_logs_once_what_it_cannot_reach(nvml, caplog):
    caplog.set_level("INFO")
    fake.set_gpus(fake.a_gpu(0), fake.a_gpu(1))
    nvml.read()
    fake.set_gpus(fake.a_gpu(0, result=GPU_LOST), fake.a_gpu(1, result=NO_PERMISSION))
    for _ in range(3):
        nvml.read()
    assert len(caplog.records) == 2


def test_read_without_a_working_driver_knows_nothing_and_logs_it_once(nvml, caplog):
    caplog.set_level("INFO")
    fake.set_gpus(init=DRIVER_MISMATCH)
    assert (nvml.read(), nvml.read()) == (None, None)
    [message] = [record.message for record in caplog.records]
    assert message.startswith("NVML: ") and "version mismatch" in message
    assert "version mismatch" in nvml.error


def test_read_finds_a_driver_that_comes_back(nvml):
    fake.set_gpus(init=DRIVER_MISMATCH)
    assert nvml.read() is None
    fake.set_gpus(fake.a_gpu(0))
    assert len(nvml.read()) == 1
    assert nvml.error == ""


def test_read_while_the_driver_is_replaced_knows_nothing(nvml):
    fake.set_gpus(fake.a_gpu(0))
    assert len(nvml.read()) == 1
    fake.set_gpus(fake.a_gpu(0), init=DRIVER_MISMATCH)
    assert nvml.read() is None
    fake.set_gpus(fake.a_gpu(0))
    assert len(nvml.read()) == 1


def test_without_nvml_there_are_no_gpus_and_no_trouble(tmp_path):
    """In a process of its own, which the fake is not loaded into. A file that is no
    library hides what this machine may have."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    code = (
        "from runtimes.machine.nvml import Nvml\n"
        "nvml = Nvml()\n"
        "print(nvml.read(), nvml.read(), repr(nvml.error), list(nvml.events))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("[] [] '' []\n", "")
