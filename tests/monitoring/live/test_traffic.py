import pytest

from monitoring.live import traffic
from monitoring.live.traffic import Told

NOON = 1_700_000_000


def told(at=NOON, seconds=1.0, **models):
    return Told(at, seconds, models)


def of_model(requests=1, in_flight=2):
    counts = {"errors": 0, "prompt_tokens": 3, "completion_tokens": 4}
    return {"requests": requests, "in_flight": in_flight, **counts}


def test_what_is_packed_is_read():
    original = told(m=of_model(), other=of_model(5))
    assert traffic.read({b"w": original.packed().encode()}, NOON) == {b"w": original}


@pytest.mark.parametrize(
    ("age", "fresh", "gone"),
    [
        (0, True, False),
        (2.9, True, False),
        (3.1, False, False),
        (61, False, True),
        (-2, True, False),
        (-61, False, True),
    ],
)
def test_gateways_that_say_nothing_are_left_out_and_then_forgotten(age, fresh, gone):
    fields = {b"w": told(NOON - age).packed().encode()}
    assert bool(traffic.read(fields, NOON)) == fresh
    assert traffic.gone(fields, NOON) == ([b"w"] if gone else [])


@pytest.mark.parametrize(
    "text", [b"", b"x", b"[]", b"{}", b'{"at":"x","seconds":1,"models":{}}', b"\xff"]
)
def test_words_of_another_version_are_forgotten(text):
    assert traffic.read({b"w": text}, NOON) == {}
    assert traffic.gone({b"w": text}, NOON) == [b"w"]


def test_rates_are_sums_over_gateways_per_second():
    one = told(seconds=1, a=of_model(4, in_flight=2))
    late = told(seconds=2, a=of_model(4, in_flight=3), b=of_model(1))
    rates = traffic.rates([one, late])
    assert (rates["a"]["requests"], rates["a"]["in_flight"]) == (6, 5)
    assert rates["b"]["requests"] == 0.5


def test_distributions_are_no_rates():
    counts = {**of_model(), "response_time": {"sum": 1.0, "counts": {"3": 1}}}
    assert "response_time" not in traffic.rates([told(a=counts)])["a"]
