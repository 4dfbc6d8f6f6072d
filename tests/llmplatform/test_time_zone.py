import pytest
from django.test import Client

from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db

PAGES = [
    "/admin/",
    "/admin/models_app/activity/",
    "/admin/models_app/run/",
    "/admin/models_app/servedmodel/",
    "/admin/monitoring/source/history/",
]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Time zone of all times on this page"),
        ("zh-hans", "本页所有时间的时区"),
    ],
)
def test_every_page_names_the_zone_of_its_times(settings, path, language, expected):
    settings.TIME_ZONE = "Asia/Shanghai"
    a_model()
    client = Client(HTTP_ACCEPT_LANGUAGE=language)
    client.force_login(a_user("admin", is_staff=True))
    html = client.get(path).content.decode()
    assert f'title="{expected}">Asia/Shanghai (UTC+0800)<' in html


def test_times_of_the_api_have_an_offset(settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    a_model()
    client = Client()
    client.force_login(a_user("admin"))
    assert client.get("/api/models/smol").json()["created_at"].endswith("+08:00")
