import pytest
from django.contrib.auth.models import Permission
from knox.crypto import hash_token

from models_app.models import ApiToken
from monitoring.live.permissions import Credential, allowed_topics, topics_to_open
from monitoring.live.publish import TOPICS
from tests.builders import a_token, a_user
from tests.monitoring.sockets import a_session

pytestmark = pytest.mark.django_db


def a_cookie(user):
    return Credential(session=a_session(user).partition("=")[2])


@pytest.mark.parametrize("count", [1, 3])
def test_many_credentials_take_few_queries(django_assert_num_queries, count):
    users = [a_user("viewer", name=f"viewer-{n}") for n in range(count)]
    outsider = a_cookie(a_user())
    tokens = [Credential(token=hash_token(a_token(user))) for user in users]
    known = [*map(a_cookie, users), *tokens]
    unknown = [Credential(session="unknown"), Credential(token="unknown")]
    with django_assert_num_queries(6):
        found = allowed_topics([*known, outsider, *unknown])
    assert found == dict.fromkeys(known, frozenset(TOPICS))


@pytest.mark.parametrize(("group", "used"), [("viewer", True), ("", False)])
def test_opening_a_websocket_uses_its_token(group, used):
    credential = Credential(token=hash_token(a_token(a_user(group))))
    assert bool(topics_to_open(credential)) == used
    assert (ApiToken.objects.get().last_used_at is not None) == used


def test_no_credentials_take_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert allowed_topics([]) == {}


@pytest.mark.parametrize(
    ("permission", "topics"),
    [
        ("view_servedmodel", {"host", "gpus", "models", "status"}),
        ("view_activity", {"activity"}),
        ("view_alert", {"alerts"}),
    ],
)
def test_each_permission_gives_its_topics(permission, topics):
    user = a_user()
    user.user_permissions.add(Permission.objects.get(codename=permission))
    cookie = a_cookie(user)
    assert allowed_topics([cookie]) == {cookie: topics}
