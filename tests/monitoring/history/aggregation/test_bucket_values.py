import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.history.aggregation import bucket_values

# Whole numbers: then equal means equal, not nearly so.
samples = st.lists(
    st.tuples(
        st.sampled_from(["gpu_power", "requests", "response_time"]),
        st.integers(0, 10**9),
        st.integers(0, 7199),  # when
        st.integers(0, 3),  # by which writer
    ),
    max_size=60,
)


def add(values, metric, number):
    if metric == "response_time":
        bucket_values.add_duration(values, metric, float(number))
    else:
        bucket_values.add_number(values, metric, number)


def bucket(of):
    values = {}
    for metric, number, *_ in of:
        add(values, metric, number)
    return values


def split(of, key):
    groups = {}
    for sample in of:
        groups.setdefault(key(sample), []).append(sample)
    return groups


@given(samples, st.randoms())
def test_any_split_and_order_give_the_same_bucket(given_samples, chance):
    whole = bucket(given_samples)
    parts = split(given_samples, lambda _: chance.randrange(4)).values()
    shuffled = [bucket(chance.sample(part, len(part))) for part in parts]
    chance.shuffle(shuffled)
    assert bucket_values.merge(shuffled) == whole


@given(samples)
def test_merging_tier_by_tier_equals_merging_at_once(given_samples):
    def widened(rows, width):
        groups = {}
        for (at, _), values in rows:
            groups.setdefault((at // width * width, ""), []).append(values)
        return [(key, bucket_values.merge(parts)) for key, parts in groups.items()]

    by_writer = split(given_samples, lambda s: (s[2] // 10 * 10, s[3]))
    tens = [(key, bucket(part)) for key, part in by_writer.items()]
    hours = widened(widened(tens, 60), 3600)
    direct = split(given_samples, lambda s: (s[2] // 3600 * 3600, ""))
    assert dict(hours) == {key: bucket(part) for key, part in direct.items()}


def test_merging_leaves_its_arguments_unchanged():
    one = {"requests": [1, 1, 1, 1], "response_time": {"sum": 1.0, "counts": {"3": 1}}}
    before = repr(one)
    merged = bucket_values.merge([one, one])
    merged["requests"][0] = 99
    merged["response_time"]["counts"]["3"] = 99
    assert repr(one) == before


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ([1 / 3, 2.0, 1234567.8, 60], [0.333333, 2.0, 1234570.0, 60]),
        ([123456789, 123456789, 123456789, 1], [123456789, 123456789, 123456789, 1]),
        ({"sum": 1 / 3, "counts": {"1": 1}}, {"sum": 0.333333, "counts": {"1": 1}}),
    ],
)
def test_stored_floats_are_rounded_and_integers_exact(value, stored):
    assert bucket_values.rounded({"m": value}) == {"m": stored}
