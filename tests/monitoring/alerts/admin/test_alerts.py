import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import escape

from monitoring.alerts.models import Alert
from tests.models_app.people import ROLES, client_as
from tests.monitoring.alerts.builders import an_alert

pytestmark = pytest.mark.django_db

LIST = "/admin/monitoring/alert/"
ACTIVE = f"{LIST}active/"


def html(client, url, **headers) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_pages_open_for_viewers(role):
    alert, client = an_alert(), client_as(role)
    for url in (LIST, ACTIVE, f"{LIST}{alert.pk}/change/"):
        answer = client.get(url)
        if role == "anonymous":
            assert answer.url.startswith("/admin/login/")
        else:
            assert answer.status_code == (403 if role == "outsider" else 200)


def test_active_alerts_come_first_and_the_worst_of_them():
    an_alert(rule_name="mild", severity="info")
    an_alert(rule_name="bad", severity="critical", source_key="GPU-1")
    an_alert(rule_name="over", state="resolved", source_key="GPU-2")
    an_alert(rule_name="waiting", state="pending", fired_at=None, source_key="GPU-3")
    active = html(client_as("viewer"), ACTIVE)
    names = re.findall(r"<strong>(.*?)</strong>", active)
    assert names == ["bad", "mild"]
    page = html(client_as("operator"), LIST)
    listed = page[page.index('id="result_list"') :]
    assert "over" in listed
    assert "waiting" not in page


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("operator", True), ("admin", True)]
)
def test_only_operators_are_offered_to_act(role, may):
    alert, client = an_alert(), client_as(role)
    for url in (LIST, ACTIVE, f"{LIST}{alert.pk}/change/"):
        assert (f"{LIST}{alert.pk}/acknowledge/now/" in html(client, url)) is may


@pytest.mark.parametrize("role", ROLES)
def test_only_operators_act(role):
    alert, client = an_alert(), client_as(role)
    client.post(f"{LIST}{alert.pk}/acknowledge/now/")
    client.post(f"{LIST}{alert.pk}/silence/now/", {"hours": "1"})
    alert.refresh_from_db()
    may = role in {"operator", "admin", "superuser"}
    assert (alert.acknowledged_at is not None) is may
    assert (alert.silenced_until is not None) is may


def test_buttons_say_what_was_done():
    alert, client = an_alert(), client_as("operator")
    url = f"{LIST}{alert.pk}/"
    page = client.post(f"{url}acknowledge/now/", follow=True).content.decode()
    assert "Hot is acknowledged." in page
    assert "acknowledged by operator" in page
    page = client.post(f"{url}silence/now/", {"hours": "24"}, follow=True)
    assert "Hot is silenced until" in page.content.decode()
    alert.refresh_from_db()
    ahead = alert.silenced_until - timezone.now()
    assert timedelta(hours=23) < ahead <= timedelta(hours=24)
    page = client.post(f"{url}unsilence/now/", follow=True).content.decode()
    assert "Hot is no longer silenced." in page


@pytest.mark.parametrize(
    "form",
    [{}, {"hours": "0"}, {"hours": "-1"}, {"hours": "9" * 400}, {"hours": "²"},
     {"until": "soon"}, {"until": "2020-01-01T00:00"}, {"until": "2999-01-01T00:00"},
     {"until": "2026-99-99T00:00"}],
)  # fmt: skip
def test_wrong_end_of_a_silence_is_refused(form):
    alert, client = an_alert(), client_as("operator")
    page = client.post(f"{LIST}{alert.pk}/silence/now/", form, follow=True)
    alert.refresh_from_db()
    if form.get("hours", "")[:1] == "9":  # the longest that is allowed
        assert alert.silenced_until is not None
    else:
        assert "cannot be the end of a silence" in page.content.decode()
        assert alert.silenced_until is None


def test_silence_ends_at_the_time_of_the_pages_zone():
    alert, client = an_alert(), client_as("operator")
    until = timezone.localtime() + timedelta(hours=5)
    form = {"until": until.strftime("%Y-%m-%dT%H:%M")}
    client.post(f"{LIST}{alert.pk}/silence/now/", form)
    alert.refresh_from_db()
    assert abs(alert.silenced_until - until) < timedelta(minutes=1)


def test_unknown_verbs_and_alerts_are_not_found():
    alert, client = an_alert(), client_as("operator")
    assert client.post(f"{LIST}{alert.pk}/explode/now/").status_code == 404
    assert client.post(f"{LIST}0/acknowledge/now/").status_code == 404
    assert client.get(f"{LIST}{alert.pk}/acknowledge/now/").status_code == 405


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "{% now 'Y' %}", "%(x)s", "${x} <b>"])
def test_names_are_shown_as_they_are(text):
    an_alert(rule_name=text, source_name=text)
    client = client_as("operator")
    for url in (ACTIVE, LIST, "/admin/"):
        assert escape(text) in html(client, url)


def test_list_takes_the_same_queries_for_many(django_assert_max_num_queries):
    client = client_as("operator")
    for number in range(40):
        an_alert(source_key=f"GPU-{number}")
    with django_assert_max_num_queries(15):
        html(client, LIST)


def test_bell_is_on_every_page_of_viewers():
    an_alert()
    client = client_as("viewer")
    for url in ("/admin/", LIST, "/admin/models_app/servedmodel/"):
        assert "data-bell" in html(client, url)
    assert "data-bell" not in html(client_as("outsider"), "/admin/")


def test_dashboard_lists_what_is_firing():
    an_alert(rule_name="Hot one")
    an_alert(rule_name="Cold one", state="resolved", source_key="GPU-1")
    page = html(client_as("viewer"), "/admin/")
    assert "Hot one" in page
    assert "Cold one" not in page
    assert "Hot one" not in html(client_as("outsider"), "/admin/")


def test_pages_are_translated():
    alert = an_alert(rule_name="Error rate above 5%", preset="error_rate")
    page = html(client_as("operator"), LIST, **{"Accept-Language": "zh-hans"})
    for text in ("活动告警", "错误率超过5%", "确认", "静默 1 小时", "触发中"):
        assert text in page
    url = f"{LIST}{alert.pk}/change/"
    assert "静默至" in html(client_as("admin"), url, **{"Accept-Language": "zh-hans"})


def test_rows_are_only_read():
    alert, client = an_alert(), client_as("superuser")
    assert client.post(f"{LIST}{alert.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    assert Alert.objects.filter(pk=alert.pk).exists()
