import pytest
from knox.crypto import hash_token

from monitoring.live.permissions import Credential, topics_of
from monitoring.live.publish import TOPICS
from tests.builders import a_token, a_user
from tests.monitoring.sockets import a_session

pytestmark = pytest.mark.django_db


def a_cookie(user):
    return Credential(session=a_session(user).partition("=")[2])


@pytest.mark.parametrize("count", [1, 3])
def test_many_are_looked_up_in_few_queries(django_assert_num_queries, count):
    users = [a_user("viewer", name=f"viewer-{n}") for n in range(count)]
    outsider = a_cookie(a_user())
    tokens = [Credential(token=hash_token(a_token(user))) for user in users]
    known = [*map(a_cookie, users), *tokens]
    nobody = [Credential(session="unknown"), Credential(token="unknown")]
    with django_assert_num_queries(5):
        found = topics_of([*known, outsider, *nobody])
    assert found == dict.fromkeys(known, frozenset(TOPICS))


def test_nobody_costs_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert topics_of([]) == {}
