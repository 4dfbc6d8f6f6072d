import pytest

from runtimes.frameworks.base import Exit
from runtimes.frameworks.endings import classify, pattern

PATTERNS = (("first", pattern("disk", "tape")), ("second", pattern("disk on fire")))


@pytest.mark.parametrize(
    ("code", "signal", "log", "reason"),
    [
        (1, None, "the DISK is gone", "first"),
        (1, None, "disk on fire", "first"),
        (1, None, "", "crashed"),
        (None, 6, "tape torn", "first"),
        (None, 6, "", "crashed"),
        (None, 11, "", "crashed"),
        (None, 9, "disk", "killed"),
        (None, 15, "disk", "killed"),
        (0, None, "", "killed"),
        (None, None, "disk", "first"),
        (None, None, "", "crashed"),
    ],
)
def test_ending_is_classified(code, signal, log, reason):
    assert classify(Exit(code=code, signal=signal), log, PATTERNS) == reason


@pytest.mark.parametrize(
    ("code", "signal", "log", "reason"),
    [
        (None, 9, "disk", "out_of_memory"),
        (None, 15, "disk", "killed"),
        (1, None, "disk", "first"),
        (1, None, "a process is gone", "out_of_memory"),
        (None, 6, "", "out_of_memory"),
        (0, None, "", "killed"),
    ],
)
def test_ending_while_the_kernel_kills_for_memory(code, signal, log, reason):
    assert classify(Exit(code=code, signal=signal, oom=True), log, PATTERNS) == reason
