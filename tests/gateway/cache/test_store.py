import pytest

from gateway.cache.store import OVERHEAD_BYTES, SHARE, AnswerStore

ROOM = 3
ANSWER = b"x" * 500
SIZE = len(ANSWER) + OVERHEAD_BYTES


@pytest.fixture
def store():
    """Has room for ROOM * SHARE answers."""
    return AnswerStore(ROOM * SHARE * SIZE)


@pytest.mark.parametrize(
    ("max_age_s", "now", "found"),
    [
        (60, 0.0, ANSWER),
        (60, 59.9, ANSWER),
        (60, 60.0, None),
        (30, 31.0, None),  # it was shortened meanwhile
        (0, 0.0, None),
    ],
)
def test_answer_is_repeated_for_its_time(store, max_age_s, now, found):
    store.put(b"a", ANSWER, 0.0)
    assert store.get(b"a", max_age_s, now) == found
    assert store.get(b"b", max_age_s, now) is None
    assert (len(store), store.size_bytes) == ((1, SIZE) if found else (0, 0))


def test_answer_that_is_replaced_counts_once(store):
    store.put(b"a", ANSWER, 0.0)
    store.put(b"a", b"y", 50.0)
    assert store.get(b"a", 60, 100.0) == b"y"
    assert store.size_bytes == 1 + OVERHEAD_BYTES


def test_answers_used_least_recently_make_room(store):
    keys = [b"%d" % n for n in range(ROOM * SHARE)]
    for key in keys:
        store.put(key, ANSWER, 0.0)
    assert store.get(keys[0], 60, 1.0) == ANSWER
    store.put(b"new", ANSWER, 1.0)
    kept = [key for key in [*keys, b"new"] if store.get(key, 60, 1.0)]
    assert kept == [keys[0], *keys[2:], b"new"]
    assert store.size_bytes == ROOM * SHARE * SIZE


@pytest.mark.parametrize(
    ("max_bytes", "length", "is_kept"),
    [
        (SHARE * 1000, 1000 - OVERHEAD_BYTES, True),
        (SHARE * 1000, 1001 - OVERHEAD_BYTES, False),
        (0, 0, False),
    ],
)
def test_answer_takes_a_share_at_most(max_bytes, length, is_kept):
    store = AnswerStore(max_bytes)
    store.put(b"a", b"x" * length, 0.0)
    assert (len(store) == 1) is is_kept


def test_size_stays_within_the_limit_whatever_comes(store):
    for n in range(5000):
        store.put(b"%d" % (n * 7 % 997), b"x" * (n * 31 % 3000), float(n))
        assert store.size_bytes <= ROOM * SHARE * SIZE
    assert len(store) > ROOM
