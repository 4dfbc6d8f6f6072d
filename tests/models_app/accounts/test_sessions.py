from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from models_app.accounts.sessions import SEEN
from tests.api import client_of
from tests.builders import a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

PAGE, LIVE = "/admin/", "/admin/models_app/servedmodel/live/?ids="


@pytest.fixture
def client():
    """Signed in, last used two minutes ago, with an hour of idle time left."""
    client = client_as("viewer")
    client.get(PAGE)
    session = client.session
    session[SEEN] -= 120
    session.save()
    Session.objects.update(expire_date=timezone.now() + timedelta(hours=1))
    return client


def minutes_left() -> float:
    left = Session.objects.get().expire_date - timezone.now()
    return left.total_seconds() / 60


def test_use_renews_the_session(client, settings):
    client.get(PAGE)
    assert minutes_left() == pytest.approx(settings.SESSION_COOKIE_AGE / 60, abs=1)
    assert settings.SESSION_COOKIE_AGE == 12 * 3600


def test_what_an_open_page_fetches_does_not_renew_it(client):
    client.get(LIVE)
    assert minutes_left() == pytest.approx(60, abs=1)


def test_use_within_a_minute_writes_nothing(client, django_assert_num_queries):
    client.get(PAGE)
    session = Session.objects.get()
    client.get(PAGE)
    assert Session.objects.get().expire_date == session.expire_date


def test_idle_session_is_over(client):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get(PAGE).url.startswith("/admin/login/")


def test_requests_with_a_token_get_no_session():
    answer = client_of(a_user("viewer")).get("/api/models")
    assert answer.status_code == 200
    assert not answer.cookies
    assert not Session.objects.exists()
