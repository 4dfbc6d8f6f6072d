"""Reading on in the log of a container, of a real Docker daemon."""

from contextlib import closing

from runtimes.drivers.base import Bounds
from tests.runtimes.processes import a_uid, ended, shell, until

BUSY_S = 60  # to start a container, where the disk has much else to do
BOUNDS = Bounds(framework="llama.cpp", cpu_cores=1, memory_mib=128)
COUNT = "n=0; while [ $n -lt 300 ]; do n=$((n+1)); echo out $n; echo err $n >&2; done"
MANY = "/usr/bin/python3 -c \"[print(n) for n in range({count})]; print('over')\""
LONG = "/usr/bin/python3 -c \"print('x' * 100_000); print('end')\""


def read_until(reader, end, step=1000):
    content = b""
    while not content.endswith(end):
        content += until(lambda: reader.read(step).data, BUSY_S)
    return content


def test_reads_on_without_loss_or_repetition(containers):
    uid = a_uid()
    with closing(containers.log(uid, 100_000)) as reader:
        assert reader.read(100).data == b""
        containers.start(uid, shell(f"{COUNT}; sleep 1.5; {COUNT}; echo over"), BOUNDS)
        content = b""
        while content.count(b"\n") < 1201:  # two outputs come in no order
            content += until(lambda: reader.read(1000).data, BUSY_S)
        lines = content.decode().splitlines()
        assert reader.read(100).data == b""
    for name in ("out", "err"):
        own = [line for line in lines if line.startswith(name)]
        assert own == 2 * [f"{name} {n}" for n in range(1, 301)]
    assert len(lines) == 1201


def test_long_line_is_whole(containers):
    uid = a_uid()
    ended(containers, containers.start(uid, shell(LONG), BOUNDS))
    with closing(containers.log(uid, 1 << 20)) as reader:
        assert read_until(reader, b"end\n") == b"x" * 100_000 + b"\nend\n"


def test_reader_starts_before_the_end_and_marks_the_gap(containers):
    uid = a_uid()
    ended(containers, containers.start(uid, shell(COUNT), BOUNDS))
    with closing(containers.log(uid, 30)) as reader:
        chunk = reader.read(1000)
    assert chunk.skipped
    assert 0 < len(chunk.data) <= 30


def test_all_that_is_kept_can_be_read(containers):
    uid, count = a_uid(), 30_000
    ended(containers, containers.start(uid, shell(MANY.format(count=count)), BOUNDS))
    with closing(containers.log(uid, 1 << 25)) as reader:
        lines = read_until(reader, b"\nover\n", 1 << 20).splitlines()
    assert lines == [b"%d" % n for n in range(count)] + [b"over"]


def test_daemon_that_is_away_reports_nothing_and_resumes(containers, dockerd):
    uid = a_uid()
    containers.start(uid, shell("echo before; sleep 3; echo after"), BOUNDS)
    with closing(containers.log(uid, 1000)) as reader:
        assert read_until(reader, b"before\n") == b"before\n"
        dockerd.stop()
        assert reader.read(1000).data == b""
        dockerd.start()
        assert read_until(reader, b"after\n") == b"after\n"


def test_unknown_container_has_no_log(containers):
    with closing(containers.log(a_uid(), 1000)) as reader:
        assert reader.read(1000).data == b""
