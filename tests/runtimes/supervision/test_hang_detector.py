import pytest

from runtimes.supervision.hang_detector import HangDetector


def after(*looks):
    """One look a second: "5/9": 5 requests in flight, counters at 9; "?": an answer
    without metrics; "-": none; "-3": none, 3 s of processor time used so far."""
    detector = HangDetector(probed_at=0.0)
    for now, look in enumerate(looks, start=1):
        if look.startswith("-"):
            detector.timed_out(float(now))
            if look != "-":
                detector.used_cpu(float(now), float(look[1:]))
        elif look == "?":
            detector.answered(float(now), None, None)
        else:
            in_flight, _, progress = look.partition("/")
            detector.answered(float(now), int(in_flight), float(progress))
    return detector.silent_s


@pytest.mark.parametrize(
    ("looks", "silent_s"),
    [
        (["0/9"] * 50, 0),  # idle
        (["1/9", "1/10", "1/11"], 0),  # busy
        (["1/9"] * 50, 49),  # work, and no progress: the first look shows life
        (["1/9", "1/9", "1/9", "1/10"], 0),
        (["1/9", "1/9", "0/9"], 0),  # its client left
        (["1/9", "-", "-", "-"], 3),
        (["1/9", "-", "-", "1/9"], 3),  # it answers again and did nothing meanwhile
        (["1/9", "-", "-", "1/10"], 0),
        (["0/9", "-", "-", "0/9"], 0),
        (["-"] * 7, 7),
        (["?"] * 9, 0),  # its answers are all there is
        (["?", "-", "-"], 2),
        (["1/9", "-5", "-6", "-7"], 0),  # a large step, computed by the processor
        (["1/9", "-5.00", "-5.04", "-5.08"], 2),  # waiting for something costs little
        (["1/9", "-5", "-5", "-5"], 2),
        (["1/9", "-5", "1/10", "-9", "-9"], 1),  # what was used before does not count
    ],
)
def test_silence(looks, silent_s):
    assert after(*looks) == silent_s


def test_a_watcher_that_slept_counts_only_what_it_watched():
    detector = HangDetector(probed_at=0.0)
    detector.timed_out(1.0)
    detector.timed_out(900.0)
    assert detector.silent_s == 6.0


def test_a_clock_that_steps_back_counts_nothing():
    detector = HangDetector(probed_at=10.0)
    detector.timed_out(3.0)
    assert detector.silent_s == 0.0
