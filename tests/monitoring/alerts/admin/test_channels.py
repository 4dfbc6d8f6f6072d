import pytest

from common.models import JobState
from monitoring.alerts.models import Delivery, NotificationChannel
from tests.models_app.people import ROLES, client_as
from tests.monitoring.alerts.builders import a_channel

pytestmark = pytest.mark.django_db

LIST = "/admin/monitoring/notificationchannel/"
ADD = f"{LIST}add/"
DELIVERIES = "/admin/monitoring/delivery/"
URL = "https://example.org/hook"
CHINESE = {"Accept-Language": "zh-hans"}


def a_form(**fields):
    return {"name": "ops", "kind": "web", "enabled": "on", "language": "en", **fields}


def html(client, url, **headers) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def a_failed_delivery(channel, **fields) -> Delivery:
    return Delivery.objects.create(
        channel=channel, kind="alerts", state=JobState.FAILED, code="webhook_status",
        params={"status": 500}, response_status=500, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_only_administrators_have_the_pages(role):
    channel, client = a_channel("bell"), client_as(role)
    delivery = a_failed_delivery(channel)
    may = role in {"admin", "superuser"}
    page = f"{LIST}{channel.pk}/"
    one = f"{DELIVERIES}{delivery.pk}/change/"
    for url in (LIST, ADD, f"{page}change/", f"{page}live/", DELIVERIES, one):
        answer = client.get(url)
        if role == "anonymous":
            assert answer.url.startswith("/admin/login/")
        else:
            assert answer.status_code == (200 if may else 403)
    client.post(ADD, a_form())
    assert NotificationChannel.objects.filter(name="ops").exists() is may
    client.post(f"{page}test/")
    assert Delivery.objects.filter(kind="test").exists() is may
    client.post(f"{DELIVERIES}{delivery.pk}/retry/")
    delivery.refresh_from_db()
    assert (delivery.state == "queued") is may
    client.post(f"{page}delete/", {"post": "yes"})
    assert (not NotificationChannel.objects.filter(pk=channel.pk).exists()) is may


def test_secret_of_a_webhook_is_shown_once():
    client = client_as("admin")
    page = client.post(ADD, a_form(kind="webhook", url=URL)).content.decode()
    channel = NotificationChannel.objects.get(name="ops")
    assert channel.config == {"url": URL}
    assert channel.secret.startswith("whsec_")
    assert f'value="{channel.secret}"' in page
    first = channel.secret
    for url in (LIST, f"{LIST}{channel.pk}/change/"):
        assert first not in html(client, url)
    page = client.post(f"{LIST}{channel.pk}/rotate/").content.decode()
    channel.refresh_from_db()
    assert channel.secret != first
    assert f'value="{channel.secret}"' in page
    assert client.get(f"{LIST}{channel.pk}/rotate/").status_code == 405


def test_url_of_apprise_is_never_shown_and_kept_when_empty():
    client, url = client_as("admin"), "json://user:unseen-9@example.org"
    client.post(ADD, a_form(kind="apprise", apprise_url=url))
    channel = NotificationChannel.objects.get(name="ops")
    assert channel.secret == url
    page = f"{LIST}{channel.pk}/change/"
    assert "unseen-9" not in html(client, page)
    assert client.post(page, a_form(name="chat")).status_code == 302
    channel.refresh_from_db()
    assert (channel.name, channel.secret) == ("chat", url)


def test_recipients_are_listed_and_changed():
    client = client_as("admin")
    text = "a@example.org, b@example.org\nc@example.org"
    assert client.post(ADD, a_form(kind="mail", recipients=text)).status_code == 302
    channel = NotificationChannel.objects.get(name="ops")
    assert channel.config["recipients"] == [
        "a@example.org", "b@example.org", "c@example.org"
    ]  # fmt: skip
    page = f"{LIST}{channel.pk}/change/"
    assert "b@example.org" in html(client, page)
    client.post(page, a_form(recipients="d@example.org"))
    channel.refresh_from_db()
    assert channel.config == {"recipients": ["d@example.org"]}
    assert channel.kind == "mail"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "webhook", "url": "ftp://example.org"}, "url"),
        ({"kind": "webhook", "url": "https://u:p@example.org"}, "url"),
        ({"kind": "webhook", "url": ""}, "url"),
        ({"kind": "mail", "recipients": ""}, "recipients"),
        ({"kind": "mail", "recipients": "nobody"}, "recipients"),
        ({"kind": "apprise", "apprise_url": "nonsense"}, "apprise_url"),
        ({"kind": "apprise"}, "apprise_url"),
        ({"kind": "pager"}, "kind"),
        ({"language": "tlh"}, "language"),
        ({"name": "{{ x }}"}, "name"),
        ({"name": "bell"}, "name"),
    ],
)
def test_wrong_field_is_marked_and_nothing_is_saved(fields, field):
    a_channel("bell")
    before = NotificationChannel.objects.count()
    answer = client_as("admin").post(ADD, a_form(**fields))
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert NotificationChannel.objects.count() == before


def test_page_shows_what_became_of_the_messages():
    channel = a_channel(enabled=False, disabled_code="webhook_gone")
    a_failed_delivery(channel)
    client = client_as("admin")
    page = html(client, f"{LIST}{channel.pk}/change/")
    assert "410 Gone" in page
    live = html(client, f"{LIST}{channel.pk}/live/")
    assert "responded with status 500" in live
    listed = html(client, DELIVERIES)
    assert "responded with status 500" in listed
    assert "Retry" in listed


def test_done_deliveries_are_not_sent_again():
    delivery = Delivery.objects.create(
        channel=a_channel(), kind="alerts", state=JobState.DONE
    )
    client = client_as("admin")
    page = client.post(f"{DELIVERIES}{delivery.pk}/retry/", follow=True)
    assert "this cannot be done now" in page.content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "done"


def test_pages_are_translated():
    channel, client = a_channel(kind="webhook", config={"url": URL}), client_as("admin")
    a_failed_delivery(channel)
    assert "发送测试消息" in html(client, LIST, **CHINESE)
    page = html(client, f"{LIST}{channel.pk}/change/", **CHINESE)
    for text in ("更换密钥", "最近投递"):
        assert text in page
    assert "Apprise" in html(client, ADD, **CHINESE)
    assert "投递" in html(client, DELIVERIES, **CHINESE)


def test_lists_take_the_same_queries_for_many(django_assert_max_num_queries):
    client = client_as("admin")
    for number in range(20):
        a_failed_delivery(a_channel(f"ops {number}"))
    for url in (LIST, DELIVERIES):
        with django_assert_max_num_queries(15):
            html(client, url)
