import pytest

from gateway.accounting import Accounting, Usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 7)),
        ({"prompt_tokens": 3, "total_tokens": 3}, (3, 0, 3)),
        ({"prompt_tokens": "3", "completion_tokens": None}, (0, 0, 0)),
        ({}, (0, 0, 0)),
    ],
)
def test_usage_is_read(told, usage):
    found = Usage.of(told)
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == usage


@pytest.mark.parametrize("told", [None, 5, "x", []])
def test_what_is_no_usage_is_none(told):
    assert Usage.of(told) is None


@pytest.mark.parametrize(
    ("status", "cancelled", "kind"),
    [
        (200, False, "answered"),
        (400, False, "refused"),
        (409, False, "refused"),
        (500, False, "failed"),
        (502, False, "failed"),
        (503, False, "refused"),
        (504, False, "failed"),
        (200, True, "cancelled"),
    ],
)
def test_request_counts_once_by_its_end(status, cancelled, kind):
    accounting = Accounting()
    with accounting.request(7) as measured:
        assert accounting.snapshot()[7]["in_flight"] == 1
        measured.status, measured.cancelled = status, cancelled
        measured.usage = Usage(prompt_tokens=1, completion_tokens=2)
    found = accounting.snapshot()[7]
    kinds = ("answered", "refused", "failed", "cancelled", "in_flight")
    assert {k: found[k] for k in kinds if found[k]} == {kind: 1}
    assert (found["prompt_tokens"], found["completion_tokens"]) == (1, 2)
    assert sum(found["buckets"]) == (kind == "answered")


def test_request_that_raises_is_no_longer_in_flight():
    accounting = Accounting()
    with pytest.raises(ValueError, match="x"), accounting.request(7):
        raise ValueError("x")
    assert accounting.snapshot()[7]["in_flight"] == 0


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.09, 0), (0.2, 1), (2.5, 5), (299, 10), (999, 11)]
)
def test_time_falls_into_its_bucket(seconds, bucket):
    accounting = Accounting()
    with accounting.request(7) as measured:
        measured.began -= seconds
    found = accounting.snapshot()[7]
    assert [i for i, count in enumerate(found["buckets"]) if count] == [bucket]
    assert found["seconds"] == pytest.approx(seconds, abs=0.05)


def test_snapshot_stays_as_it_was():
    accounting = Accounting()
    with accounting.request(7):
        before = accounting.snapshot()
    assert before[7]["in_flight"] == 1
    before[7]["buckets"][0] = 99
    assert accounting.snapshot()[7]["buckets"][0] == 1
