import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from common import broker
from tests.builders import a_user


@pytest.fixture
def published(django_capture_on_commit_callbacks):
    """Number of notices that reach the broker while change() is carried out."""

    def count(change):
        with redis.Redis.from_url(settings.REDIS_URL).pubsub() as pubsub:
            pubsub.subscribe(broker.CHANGES)
            pubsub.get_message(timeout=30)
            with django_capture_on_commit_callbacks(execute=True):
                change()
            return int(pubsub.get_message(timeout=0.2) is not None)

    return count


def log_in(user):
    user.last_login = timezone.now()
    user.save(update_fields=["last_login"])


def use():
    return Permission.objects.get(codename="use_servedmodel")


CHANGES = {
    "disabled": (lambda user: (setattr(user, "is_active", False), user.save()), 1),
    "deleted": (lambda user: user.delete(), 1),
    "joins a group": (lambda user: user.groups.add(Group.objects.get(name="admin")), 1),
    "leaves its groups": (lambda user: user.groups.clear(), 1),
    "gets a permission": (lambda user: user.user_permissions.add(use()), 1),
    "loses its group": (lambda user: user.groups.get().delete(), 1),
    "logs in": (log_in, 0),
}


@pytest.mark.django_db
@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_permission_is_announced(published, change):
    user = a_user("operator")
    act, expected = CHANGES[change]
    assert published(lambda: act(user)) == expected
