import threading
import time
from pathlib import Path

import psutil
import pytest

from monitoring.collectors.host import (
    STALE_AFTER,
    DiskSpace,
    HostCollector,
    real_devices,
)
from monitoring.metrics import METRICS

SINCE_LAST_READING = {
    "cpu_utilization",
    "cpu_core_utilization_max",
    "disk_read_bytes",
    "disk_written_bytes",
    "network_received_bytes",
    "network_sent_bytes",
}


@pytest.fixture
def host(tmp_path):
    host = HostCollector(tmp_path, [Path("/nowhere"), tmp_path])
    yield host
    host.close()


def known(sample):
    return {name for name, value in sample.items() if value is not None}


def second_reading(host):
    host.read()
    time.sleep(0.1)
    return host.read()


def test_every_host_metric_is_read(host):
    assert known(second_reading(host)) == {
        metric.name
        for metric in METRICS.values()
        if metric.source == "host" and not metric.parts
    } - {"monitor_silence"}


def test_first_reading_has_no_increments(host):
    first = known(host.read())
    assert not first & SINCE_LAST_READING
    assert {"memory_total", "load_1m"} <= first


def test_memory_is_in_mib(host):
    sample = host.read()
    assert sample["memory_total"] == psutil.virtual_memory().total // 2**20
    assert 0 < sample["memory_available"] <= sample["memory_total"]


def test_busy_core_is_seen(host):
    host.read()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    sample = host.read()
    assert sample["cpu_core_utilization_max"] > 50
    assert 0 < sample["cpu_utilization"] <= sample["cpu_core_utilization_max"] <= 100


def test_written_bytes_add_up_per_device(host):
    increment = host._increment
    assert increment({("read", "sda"): 10**12, ("read", "sdb"): 5}) is None
    assert increment({("read", "sda"): 10**12 + 7, ("read", "sdb"): 6}) == 8
    # removed: its terabyte neither adds nor subtracts
    assert increment({("read", "sdb"): 6}) == 0
    # restarted from 0
    assert increment({("read", "sdb"): 2}) == 2


@pytest.mark.parametrize(
    ("hardware", "names", "real"),
    [
        (["eth0"], ["lo", "eth0", "docker0", "veth1"], ["eth0"]),
        (["eth0", "eth1"], ["bond0", "eth0", "eth1"], ["eth0", "eth1"]),
        ([], ["lo", "eth0"], ["eth0"]),
        (["nvme0n1"], ["nvme0n1", "nvme0n1p1", "dm-0", "loop0"], ["nvme0n1"]),
        ([], [], []),
    ],
)
def test_no_byte_is_counted_twice(tmp_path, hardware, names, real):
    for name in hardware:
        (tmp_path / name / "device").mkdir(parents=True)
    assert real_devices(names, tmp_path) == real


def until_known(space):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := space.read("disk"):
            return found
        time.sleep(0.01)
    raise AssertionError("the space stayed unknown")


def test_space_of_the_first_existing_folder(tmp_path):
    space = DiskSpace([tmp_path / "none", tmp_path])
    found = until_known(space)
    assert found.keys() == {"disk_total", "disk_used", "disk_free"}
    assert found["disk_total"] >= found["disk_used"] + found["disk_free"] - 1
    space.close()


def test_hanging_file_system_does_not_block_and_becomes_unknown():
    responsive = threading.Event()
    responsive.set()

    def usage(_folder):
        assert responsive.wait(60)
        return (3 * 2**20, 2**20, 2**20)

    space = DiskSpace([Path("/")], usage)
    assert until_known(space) == {"disk_total": 3, "disk_used": 1, "disk_free": 1}
    responsive.clear()
    started_at = time.monotonic()
    readings = [space.read("disk") for _ in range(STALE_AFTER + 3)]
    assert time.monotonic() - started_at < 30
    assert (bool(readings[0]), readings[-1]) == (True, {})
    responsive.set()
    assert until_known(space)
    space.close()


def test_space_is_unknown_without_a_folder(tmp_path):
    space = DiskSpace([tmp_path / "none"])
    for _ in range(3):
        assert space.read("disk") == {}
        time.sleep(0.02)
    space.close()
