import time

import pytest
from django.conf import settings

from models_app.enums import RunState
from runtimes.logs import read
from runtimes.logs.sanitize import CUT, LONGEST_LINE
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db
LINE = b"2026-01-01 12:00:00 INFO something happened in slot %d\n"


@pytest.fixture
def run():
    return a_run(a_wanted_model(), RunState.READY)


def write(run, data, name="engine.log"):
    folder = settings.RUNS_DIR / run.uid
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def test_last_lines_are_clean_and_say_if_there_are_more(run):
    write(run, f"one\n\x1b[31mtwo\x1b[0m {run.engine_key}\nthree".encode())
    two, three = "two ***", "three"
    assert read.last_lines(run, 3) == read.Lines(
        lines=["one", two, three], truncated=False
    )
    assert read.last_lines(run, 2) == read.Lines(lines=[two, three], truncated=True)
    assert read.tail(run) == f"one\n{two}\nthree"


def test_search_finds_lines_of_all_that_is_kept(run):
    write(run, b"Needle in the old file\n" + b"hay\n" * 500_000, "engine.log.1")
    write(run, b"hay\n" * 500_000 + "模型 NEEDLE\n".encode())
    found = read.last_lines(run, 10, "needle")
    assert found.lines == ["Needle in the old file", "模型 NEEDLE"]
    assert not found.truncated
    assert read.last_lines(run, 1, "needle").lines == ["模型 NEEDLE"]
    assert read.last_lines(run, 1, "needle").truncated
    assert read.last_lines(run, 10, "thread").lines == []


def test_whole_log_is_not_cut(run):
    write(run, b"x" * 1_500_000 + b"\nlast")
    pieces = list(read.whole(run))
    assert b"".join(pieces) == b"x" * 1_500_000 + b"\nlast\n"
    assert all(pieces)
    assert read.last_lines(run, 2).lines == ["x" * LONGEST_LINE + CUT, "last"]


def test_row_keeps_the_end_when_the_files_are_gone():
    run = a_run(a_wanted_model(), RunState.ENDED, log_tail="a\x1b[m\nlast words\n")
    assert read.last_lines(run, 10).lines == ["a", "last words"]
    assert b"".join(read.whole(run)) == b"a\nlast words\n"
    assert read.tail(run) == "a\nlast words\n"


def test_run_of_a_driver_that_is_gone_shows_what_the_row_keeps():
    run = a_run(a_wanted_model(), RunState.ENDED, driver="podman", log_tail="bye")
    assert read.last_lines(run, 10).lines == ["bye"]


def test_run_without_output_has_no_lines(run):
    assert read.last_lines(run, 10) == read.Lines(lines=[], truncated=False)
    assert b"".join(read.whole(run)) == b""


def test_huge_log_is_read_fast_and_in_part(run):
    write(run, b"".join(LINE % n for n in range(2_000_000)))
    began = time.process_time()
    newest = read.last_lines(run, 200)
    assert time.process_time() - began < 5
    assert newest.truncated
    assert newest.lines[-1].endswith("slot 1999999")
    began = time.process_time()
    found = read.last_lines(run, 200, "slot 1999")
    assert time.process_time() - began < 20
    assert len(found.lines) == 200
    size = sum(map(len, read.whole(run)))
    assert size <= read.KEPT_BYTES
