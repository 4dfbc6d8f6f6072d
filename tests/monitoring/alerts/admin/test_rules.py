import re

import pytest

from models_app.models import Activity
from monitoring.alerts.models import AlertRule
from tests.models_app.people import ROLES, client_as
from tests.monitoring.alerts.builders import (
    a_channel,
    a_rule,
    a_source,
    remove_default_rules,
)

pytestmark = pytest.mark.django_db

LIST = "/admin/monitoring/alertrule/"
ADD = f"{LIST}add/"


@pytest.fixture(autouse=True)
def no_default_rules(db):
    remove_default_rules()


def a_form(**fields):
    return {
        "name": "Hot", "description": "", "enabled": "on", "severity": "warning",
        "metric": "gpu_temperature", "aggregate": "avg", "window_s": "60",
        "comparison": ">", "threshold": "80", "clear_threshold": "", "for_s": "120",
        "keep_firing_for_s": "0", "min_count": "0", "repeat_interval_s": "14400",
        **fields,
    }  # fmt: skip


def html(client, url, **headers) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_viewers_see_rules_and_administrators_edit_them(role):
    rule, client = a_rule(), client_as(role)
    if role == "anonymous":
        assert client.get(LIST).url.startswith("/admin/login/")
        return
    may_view, may_edit = role != "outsider", role in {"admin", "superuser"}
    assert client.get(LIST).status_code == (200 if may_view else 403)
    url = f"{LIST}{rule.pk}/change/"
    assert client.get(url).status_code == (200 if may_view else 403)
    assert client.get(ADD).status_code == (200 if may_edit else 403)
    client.post(ADD, a_form(name="New"))
    client.post(url, a_form(threshold="85"))
    assert AlertRule.objects.filter(name="New").exists() is may_edit
    rule.refresh_from_db()
    assert (rule.threshold == 85) is may_edit
    client.post(f"{LIST}{rule.pk}/delete/", {"post": "yes"})
    assert (not AlertRule.objects.filter(pk=rule.pk).exists()) is may_edit


def test_list_shows_sentences():
    rule = a_rule("GPU temperature above 80 °C", preset="gpu_temperature")
    rule.channels.set([a_channel("ops")])
    page = html(client_as("viewer"), LIST)
    assert "GPU temperature above 80 °C for 2 minutes on any GPU" in page
    assert "ops" in page
    page = html(client_as("admin"), LIST, **{"Accept-Language": "zh-hans"})
    assert "GPU温度超过80°C" in page
    assert "任一GPU的GPU温度高于 80 °C，持续 2 分钟" in page


def test_rule_is_made_and_changed_with_a_record():
    a_source()
    channel, client = a_channel(), client_as("admin")
    form = a_form(scope=["gpu:GPU-0"], channels=[channel.pk])
    assert client.post(ADD, form).status_code == 302
    rule = AlertRule.objects.get()
    assert (rule.scope, list(rule.channels.all())) == (["gpu:GPU-0"], [channel])
    url = f"{LIST}{rule.pk}/change/"
    assert client.post(url, a_form(clear_threshold="75")).status_code == 302
    rule.refresh_from_db()
    assert (rule.clear_threshold, rule.scope, rule.channels.count()) == (75.0, [], 0)
    codes = list(Activity.objects.values_list("code", flat=True).order_by("pk"))
    assert codes[-2:] == ["alert_rule_created", "alert_rule_changed"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"threshold": "nan"}, "threshold"),
        ({"threshold": "1e999"}, "threshold"),
        ({"threshold": "hot"}, "threshold"),
        ({"clear_threshold": "81"}, "clear_threshold"),
        ({"window_s": "5"}, "window_s"),
        ({"metric": "gpu_heat"}, "metric"),
        ({"aggregate": "p95"}, "aggregate"),
        ({"scope": ["gpu:none"]}, "scope"),
        ({"scope": ["model:1"]}, "scope"),
        ({"name": "{{ x }}"}, "name"),
        ({"name": "Taken"}, "name"),
        ({"severity": "fatal"}, "severity"),
        ({"comparison": "=="}, "comparison"),
        ({"channels": ["77"]}, "channels"),
    ],
)
def test_wrong_field_is_marked_and_nothing_is_saved(fields, field):
    a_rule("Taken")
    answer = client_as("admin").post(ADD, a_form(**fields))
    assert answer.status_code == 200
    errors = answer.context["adminform"].form.errors
    assert list(errors) == [field]
    assert AlertRule.objects.count() == 1


def test_form_keeps_what_its_lists_lack():
    rule = a_rule(window_s=70, scope=["gpu:gone"])
    page = html(client_as("admin"), f"{LIST}{rule.pk}/change/")
    assert re.search(r'<option value="70" selected>\s*70 seconds', page)
    assert re.search(r'<option value="gpu:gone" selected>', page)
    form = a_form(window_s="70", scope=["gpu:gone"], threshold="70")
    assert (
        client_as("superuser").post(f"{LIST}{rule.pk}/change/", form).status_code == 302
    )
    rule.refresh_from_db()
    assert (rule.threshold, rule.scope) == (70.0, ["gpu:gone"])


def test_several_rules_are_deleted_with_a_record():
    rules = [a_rule("a"), a_rule("b")]
    form = {"action": "delete_selected", "post": "yes",
            "_selected_action": [rule.pk for rule in rules]}  # fmt: skip
    client_as("admin").post(LIST, form)
    assert not AlertRule.objects.exists()
    assert Activity.objects.filter(code="alert_rule_deleted").count() == 2


def test_form_is_translated():
    page = html(client_as("admin"), ADD, **{"Accept-Language": "zh-hans"})
    for text in ("阈值", "聚合方式", "时间窗口", "回测", "4 小时", "高于"):
        assert text in page


def test_default_rule_keeps_its_name_in_all_languages_until_it_is_renamed():
    rule = a_rule("Error rate above 5%", preset="error_rate")
    url, client = f"{LIST}{rule.pk}/change/", client_as("admin")
    chinese = {"accept-language": "zh-hans"}
    assert 'value="错误率超过5%"' in html(client, url, **chinese)
    form = a_form(name="错误率超过5%", threshold="7")
    assert client.post(url, form, headers=chinese).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.threshold) == ("Error rate above 5%", 7.0)
    client.post(url, a_form(name="错误太多"), headers=chinese)
    rule.refresh_from_db()
    assert rule.name == "错误太多"
