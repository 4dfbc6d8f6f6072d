import pytest

from common.models import JobState
from models_app.models import Activity
from monitoring.alerts.delivery import editing
from monitoring.alerts.models import Delivery, NotificationChannel
from tests.api import administrator, codes, send
from tests.monitoring.alerts.builders import a_channel

pytestmark = pytest.mark.django_db

CHANNELS = "/api/notification-channels"
DELIVERIES = "/api/alert-deliveries"
SECRET = "whsec_" + "A" * 32


def a_body(**fields):
    return {
        "name": "ops",
        "kind": "webhook",
        "config": {"url": "https://example.org/hook"},
        **fields,
    }


def events() -> list[str]:
    found = Activity.objects.filter(code__startswith="alert_channel")
    return [event.message for event in found.order_by("pk")]


def test_secret_of_a_webhook_is_shown_once():
    client = administrator()
    answer = send(client, "POST", CHANNELS, a_body())
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    url = f"{CHANNELS}/{made['id']}"
    channel = NotificationChannel.objects.get(pk=made["id"])
    assert channel.secret == made["secret"]
    for shown in (client.get(url), client.get(CHANNELS)):
        assert made["secret"] not in shown.content.decode()
        assert "secret" not in shown.content.decode()
    changed = send(client, "PATCH", url, {"config": {"url": "https://example.net/x"}})
    assert "secret" not in changed.json()
    rotated = client.post(f"{url}/rotate-secret").json()["secret"]
    channel.refresh_from_db()
    assert (channel.secret, channel.previous_secret) == (rotated, made["secret"])
    assert client.delete(url).status_code == 204
    assert events() == [
        "The notification channel ops was created.",
        "The notification channel ops was changed: config.",
        "The notification channel ops got a new secret. The old one signs as well for"
        " 24 hours.",
        "The notification channel ops was deleted.",
    ]


def test_url_of_apprise_is_kept_when_a_change_leaves_it_out():
    client = administrator()
    url = "json://user:hidden@example.org"
    body = {"name": "chat", "kind": "apprise", "secret": url}
    answer = send(client, "POST", CHANNELS, body)
    assert answer.status_code == 201, answer.json()
    assert "hidden" not in answer.content.decode()
    path = f"{CHANNELS}/{answer.json()['id']}"
    assert (
        send(client, "PATCH", path, {"secret": "", "enabled": False}).json()["enabled"]
        is False
    )
    assert NotificationChannel.objects.get(name="chat").secret == url
    assert "hidden" not in str([e.params for e in Activity.objects.all()])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": "pager"}, ("kind", "alert_channel_unknown_kind")),
        ({"language": "tlh"}, ("language", "alert_channel_unknown_language")),
        ({"name": "bell"}, ("name", "alert_channel_name_taken")),
        ({"name": "{{ x }}"}, ("name", "alert_text_invalid")),
        ({"name": "a\r\nBcc: b"}, ("name", "alert_text_invalid")),
        ({"config": {}}, ("config.url", "missing_key")),
        ({"config": []}, ("config", "wrong_type")),
        ({"config": {"url": "ftp://example.org"}}, ("config.url",
                                                    "channel_url_invalid")),
        ({"config": {"url": "https://u:p@example.org"}},
         ("config.url", "channel_url_has_credentials")),
        ({"config": {"url": "http://169.254.169.254"}},
         ("config.url", "delivery_address_refused")),
        ({"secret": "short"}, ("secret", "channel_secret_invalid")),
        ({"kind": "mail", "config": {"recipients": ["a@example.org\nBcc: b@x.org"]}},
         ("config.recipients", "channel_recipient_invalid")),
        ({"kind": "mail", "config": {"recipients": ["a@example.org"]},
          "secret": SECRET}, ("secret", "unknown_field")),
        ({"kind": "apprise", "config": {}}, ("secret", "missing_key")),
        ({"unknown": 1}, ("unknown", "unknown_field")),
    ],
)  # fmt: skip
def test_wrong_channel_is_refused_and_nothing_is_saved(fields, error):
    a_channel("bell")
    before = NotificationChannel.objects.count()
    answer = send(administrator(), "POST", CHANNELS, a_body(**fields))
    assert answer.status_code == 400
    assert codes(answer) == [error]
    assert NotificationChannel.objects.count() == before
    assert events() == []


def test_kind_is_fixed():
    channel = a_channel()
    answer = send(
        administrator(), "PATCH", f"{CHANNELS}/{channel.pk}", {"kind": "mail"}
    )
    assert codes(answer) == [("kind", "alert_channel_kind_fixed")]


def test_enabling_forgets_why_the_platform_disabled_it():
    channel = a_channel(enabled=False, disabled_code="webhook_gone")
    client, url = administrator(), f"{CHANNELS}/{channel.pk}"
    assert client.get(url).json()["disabled_reason"]["code"] == "webhook_gone"
    changed = send(client, "PATCH", url, {"enabled": True}).json()
    assert (changed["enabled"], changed["disabled_reason"]) == (True, None)


def test_only_webhooks_have_a_secret_to_rotate():
    channel = a_channel()
    answer = administrator().post(f"{CHANNELS}/{channel.pk}/rotate-secret")
    assert answer.status_code == 409
    assert answer.json()["code"] == "alert_channel_without_secret"


def test_one_test_message_is_under_way_at_a_time():
    channel, client = a_channel(), administrator()
    first = client.post(f"{CHANNELS}/{channel.pk}/test")
    assert (first.status_code, first.json()["state"]) == (202, "queued")
    again = client.post(f"{CHANNELS}/{channel.pk}/test")
    assert again.json()["id"] == first.json()["id"]


def a_delivery(channel, **fields) -> Delivery:
    return Delivery.objects.create(channel=channel, kind="alerts", **fields)


def test_deliveries_are_filtered_and_sent_again():
    ops, bell, client = a_channel("ops"), a_channel("bell"), administrator()
    failed = a_delivery(
        ops, state=JobState.FAILED, code="webhook_status", params={"status": 500},
        response_status=500, alerts=[{"uid": "a", "event": "firing"}],
    )  # fmt: skip
    done = a_delivery(bell, state=JobState.DONE)
    for query, found in (
        ("", [done, failed]),
        ("?state=failed", [failed]),
        ("?state=failed,done", [done, failed]),
        (f"?channel={bell.pk}", [done]),
    ):
        rows = client.get(f"{DELIVERIES}{query}").json()["results"]
        assert [row["id"] for row in rows] == [each.pk for each in found]
    shown = client.get(f"{DELIVERIES}/{failed.pk}").json()
    assert (shown["response_status"], shown["channel_name"]) == (500, "ops")
    assert shown["reason"]["code"] == "webhook_status"
    again = client.post(f"{DELIVERIES}/{failed.pk}/retry").json()
    assert (again["state"], again["uid"]) == ("queued", failed.uid)
    assert client.post(f"{DELIVERIES}/{done.pk}/retry").status_code == 409


def test_lists_take_few_queries(django_assert_max_num_queries):
    client = administrator()
    for number in range(10):
        a_delivery(a_channel(f"ops {number}"))
    for url in (CHANNELS, DELIVERIES):
        with django_assert_max_num_queries(8):
            assert client.get(url).status_code == 200


def test_names_that_are_taken_meanwhile_are_refused():
    a_channel("bell")
    with pytest.raises(editing.Invalid) as refused:
        editing.create_channel({"name": "bell", "kind": "web"})
    assert refused.value.problems[0].code == "alert_channel_name_taken"
