import pytest
from django.db import OperationalError, connection
from knox.crypto import hash_token

from gateway.usage.tokens import LastUseWriter
from models_app.models import ApiToken
from tests.builders import a_token, a_user

pytestmark = pytest.mark.django_db

NOON = 1_700_000_040  # the start of a minute


@pytest.fixture
def digests():
    user = a_user()
    return {name: hash_token(a_token(user, name)) for name in ("one", "two")}


def seconds():
    """After NOON, by name."""
    used = ApiToken.objects.values_list("name", "last_used_at")
    return {name: at and at.timestamp() - NOON for name, at in used}


def away(execute, sql, params, many, context):
    raise OperationalError("away")


@pytest.mark.parametrize(
    ("uses", "one"),
    [
        ([], None),
        ([0], 0),
        ([59.9], 0),
        ([5, 60], 60),
        ([60, 5], 60),
        ([0, 300], 300),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_last_minute_is_written(digests, uses, one, at_once):
    writer = LastUseWriter()
    for at in uses:
        writer.add([digests["one"]], NOON + at)
        if not at_once:
            writer.write()
    writer.write()
    assert seconds() == {"one": one, "two": None}


def test_each_token_is_written_once_a_minute(digests, django_assert_num_queries):
    writer = LastUseWriter()
    for second, names, writes in [
        (0, ["one", "two"], 1),
        (1, ["one", "two"], 0),
        (59, ["one"], 0),
        (60, ["one"], 1),
        (61, ["one", "two"], 1),
        (62, ["one", "two"], 0),
        (300, [], 0),
    ]:
        writer.add([digests[name] for name in names], NOON + second)
        with django_assert_num_queries(3 * writes):  # in a savepoint
            assert writer.write()
    assert seconds() == {"one": 60, "two": 60}


def test_processes_never_move_the_time_back(digests):
    one, other = LastUseWriter(), LastUseWriter()
    one.add(digests.values(), NOON + 120)
    one.write()
    other.add(digests.values(), NOON)
    other.write()
    assert set(seconds().values()) == {120}


def test_database_that_was_away_is_written_later(digests):
    writer = LastUseWriter()
    writer.add([digests["one"]], NOON)
    with connection.execute_wrapper(away):
        assert not writer.write()
        assert not writer.write()
    writer.add([digests["two"]], NOON + 60)
    assert writer.write()
    assert seconds() == {"one": 0, "two": 60}


def test_token_that_was_deleted_meanwhile_is_left_out(digests):
    writer = LastUseWriter()
    ApiToken.objects.filter(name="one").delete()
    writer.add(digests.values(), NOON)
    assert writer.write()
    assert seconds() == {"two": 0}
