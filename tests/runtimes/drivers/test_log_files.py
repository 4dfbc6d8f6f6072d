from contextlib import closing

import pytest

from runtimes.drivers.log_files import LogFiles
from runtimes.shim import RotatingLog
from tests.runtimes.processes import a_uid, python, shell, until


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def reader(folder):
    with closing(LogFiles(folder, 100)) as reader:
        yield reader


@pytest.fixture
def log(folder, monkeypatch):
    """Written as the shim does: files of 10 bytes."""
    monkeypatch.chdir(folder)
    log = RotatingLog("engine.log", 20)
    yield log
    log.close()


def all_of(reader, step=1000):
    """(data, whether something was skipped), read until there is no more."""
    parts, skipped = [], False
    while (chunk := reader.read(step)).data:
        parts.append(chunk.data)
        skipped |= chunk.skipped
    return b"".join(parts), skipped


@pytest.mark.parametrize(
    ("before", "newest", "max_bytes", "read", "skipped"),
    [
        (None, None, 10, b"", False),
        (None, b"hello\n", 10, b"hello\n", False),
        (None, b"hello\n", 3, b"lo\n", True),
        (b"one\n", b"two\n", 100, b"one\ntwo\n", False),
        (b"one\n", b"two\n", 6, b"e\ntwo\n", True),
        (b"one\n", b"two\n", 4, b"two\n", True),
        (b"one\n", None, 100, b"one\n", False),
        (b"one\n", None, 2, b"e\n", True),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_begins_so_much_before_the_end(
    folder, before, newest, max_bytes, read, skipped, step
):
    for name, content in (("engine.log.1", before), ("engine.log", newest)):
        if content is not None:
            (folder / name).write_bytes(content)
    with closing(LogFiles(folder, max_bytes)) as reader:
        assert all_of(reader, step) == (read, skipped)


def test_goes_on_where_it_was(folder, log, reader):
    assert reader.read(10).data == b""
    for text in (b"one\n", b"two\n"):
        log.write(text)
        assert all_of(reader) == (text, False)
    assert all_of(reader) == (b"", False)


def test_rotation_loses_nothing(folder, log, reader):
    content = b""
    for number in range(50):
        log.write(b"line %d\n" % number)
        data, skipped = all_of(reader)
        assert not skipped
        content += data
    assert content == b"".join(b"line %d\n" % number for number in range(50))


def test_what_was_written_before_the_rename_is_read_first(folder, log, reader):
    log.write(b"123")
    assert reader.read(100).data == b"123"
    log.write(b"4567890abc")
    assert all_of(reader) == (b"4567890abc", False)


def test_two_rotations_are_reported(folder, log, reader):
    log.write(b"a")
    reader.read(100)
    log.write(b"b" * 9 + b"c" * 10 + b"d" * 10 + b"e" * 3)
    assert reader.read(100).data == b"b" * 9
    chunk = reader.read(100)
    assert (chunk.data, chunk.skipped) == (b"d" * 10, True)
    assert all_of(reader) == (b"eee", False)


def test_emptied_file_is_read_from_its_start(folder, reader):
    path = folder / "engine.log"
    path.write_bytes(b"long before\n")
    all_of(reader)
    path.write_bytes(b"new\n")
    assert all_of(reader) == (b"new\n", True)


def test_removed_files_end_the_reading(folder, reader):
    (folder / "engine.log").write_bytes(b"last\n")
    assert all_of(reader) == (b"last\n", False)
    (folder / "engine.log").unlink()
    assert all_of(reader) == (b"", False)


def test_engine_is_read_while_it_speaks(driver):
    uid, content = a_uid(), b""
    with closing(driver.log(uid, 1000)) as reader:
        assert reader.read(100).data == b""
        driver.start(uid, shell("for i in 1 2 3; do echo $i; sleep 0.05; done"))
        while not content.endswith(b"3\n"):
            content += until(lambda: reader.read(100).data)
    assert content == b"1\n2\n3\n"


FAST = """
import os, time
print("ready", flush=True)
while not os.path.exists({go!r}): time.sleep(0.01)
for n in range(400_000): print("line", n, "." * 50)
"""


def test_fast_engine_rotates_under_the_reader(driver, tmp_path):
    uid, lines, go = a_uid(), 0, tmp_path / "go"
    with closing(driver.log(uid, 1 << 30)) as reader:
        handle = driver.start(uid, python(FAST.format(go=str(go))))
        until(lambda: all_of(reader)[0] == b"ready\n", 30)
        go.touch()
        while driver.observe(handle).alive:
            lines += all_of(reader, 65_536)[0].count(b"\n")
        lines += all_of(reader, 65_536)[0].count(b"\n")
    assert lines == 400_000
