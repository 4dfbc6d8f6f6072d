import pytest
from django.utils.translation import override

from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.presets import PRESETS
from monitoring.alerts.sentences import (
    alert_sentence,
    backtest_sentence,
    duration,
    quantity,
    rule_description,
    rule_name,
    rule_sentence,
)
from monitoring.metrics import METRICS
from tests.monitoring.alerts.builders import a_source, rule_fields

HOT = rule_fields()
SLOW = {
    "metric": "response_time", "aggregate": "p95", "window_s": 300, "threshold": 2.0
}  # fmt: skip
RULES = [
    (HOT, "GPU temperature above 80 °C for 2 minutes on any GPU",
     "任一GPU的GPU温度高于 80 °C，持续 2 分钟"),
    ({**HOT, "for_s": 0}, "GPU temperature above 80 °C on any GPU",
     "任一GPU的GPU温度高于 80 °C"),
    ({**HOT, "aggregate": "max", "comparison": ">=", "window_s": 600, "for_s": 0},
     "GPU temperature (maximum over 10 minutes) at or above 80 °C on any GPU",
     "任一GPU的GPU温度（10 分钟内的最大值）不低于 80 °C"),
    ({**HOT, **SLOW, "for_s": 0},
     "Response time (p95 over 5 minutes) above 2 s on any model",
     "任一模型的响应时间（5 分钟内的p95）高于 2 s"),
    ({**HOT, "metric": "disk_data_free_ratio", "comparison": "<", "threshold": 10,
      "for_s": 60},
     "Data disk free (share) below 10% for 1 minute on any machine", ""),
    ({**HOT, "metric": "memory_available", "comparison": "<=", "threshold": 2048,
      "for_s": 3600},
     "Memory available at or below 2 GiB for 1 hour on any machine", ""),
    ({**HOT, "metric": "gpu_unavailable", "aggregate": "max", "threshold": 0,
      "for_s": 0}, "GPU unavailable on any GPU", "任一GPU的GPU不可用"),
    ({**HOT, "metric": "token_expiry", "aggregate": "min", "comparison": "<",
      "threshold": 604800, "for_s": 0},
     "Time until a token expires below 7 days", ""),
    ({**HOT, "metric": "gpu_unavailable", "threshold": 0, "for_s": 30},
     "GPU unavailable for 30 seconds on any GPU", ""),
    ({**HOT, "metric": "history_paused", "threshold": 0.5, "for_s": 5},
     "History paused for 5 seconds", ""),
    ({**HOT, "metric": "network_sent_bytes", "aggregate": "rate", "for_s": 0,
      "threshold": 1572864},
     "Network sent (per second) above 1.5 MiB/s on any machine", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "english", "chinese"), RULES)
def test_rule_reads_as_a_sentence(fields, english, chinese):
    rule = AlertRule(**fields)
    assert rule_sentence(rule) == english
    if chinese:
        with override("zh-hans"):
            assert rule_sentence(rule) == chinese


@pytest.mark.django_db
def test_scope_is_named():
    for number in range(5):
        a_source(key=f"GPU-{number}", name=f"{number} H100")
    some = [f"gpu:GPU-{number}" for number in range(5)]
    rule = AlertRule(**{**HOT, "scope": some[:2]})
    assert rule_sentence(rule).endswith("for 2 minutes on 0 H100, 1 H100")
    rule.scope = [*some, "gpu:gone"]
    assert rule_sentence(rule).endswith("on 0 H100, 1 H100, 2 H100 and 3 more")
    rule.scope = ["gpu:gone"]
    assert rule_sentence(rule).endswith("on gpu:gone")


ALERTS = [
    ({}, "GPU temperature of 0 H100 is 84 °C (threshold 80 °C)",
     "0 H100的GPU温度为 84 °C（阈值 80 °C）"),
    ({"value": None}, "GPU temperature of 0 H100 is unknown", "0 H100的GPU温度未知"),
    ({"metric": "model_error", "source_kind": "model", "source_name": "smol"},
     "Model in error: smol", "模型处于错误状态：smol"),
    ({"metric": "history_paused", "source_kind": "platform"}, "History paused",
     "历史记录已暂停"),
    ({"metric": "worker_silence", "source_kind": "platform", "value": 61.5,
      "threshold": 30},
     "Time since the worker's last report is 62 seconds (threshold 30 s)", ""),
    ({"metric": "from_a_newer_version", "value": 2.5, "threshold": 1},
     "from_a_newer_version of 0 H100 is 2.5 (threshold 1)", ""),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "english", "chinese"), ALERTS)
def test_alert_reads_as_a_sentence(fields, english, chinese):
    alert = Alert(**{
        "metric": "gpu_temperature", "aggregate": "avg", "threshold": 80.0,
        "value": 84.0, "source_kind": "gpu", "source_name": "0 H100", **fields,
    })  # fmt: skip
    assert alert_sentence(alert) == english
    if chinese:
        with override("zh-hans"):
            assert alert_sentence(alert) == chinese


INJECTIONS = ("{{ 7*7 }}", "{% now %}", "%(metric)s", "${HOME}", "%s %d 100%", "{0}")


@pytest.mark.parametrize("text", INJECTIONS)
def test_names_are_never_templates(text):
    alert = Alert(**{
        "rule_name": text, "metric": text, "aggregate": text, "source_kind": "gpu",
        "source_name": text, "threshold": 1.0, "value": 2.0,
    })  # fmt: skip
    assert alert_sentence(alert) == f"{text} of {text} is 2 (threshold 1)"
    assert rule_name(alert) == text
    rule = AlertRule(**{**HOT, "name": text, "scope": [text], "description": text})
    assert rule_sentence(rule, {text: text}).endswith(f" on {text}")
    assert (rule_name(rule), rule_description(rule)) == (text, text)


GUIDE = {
    "gpu_utilization": "GPU使用率超过90%",
    "gpu_temperature": "GPU温度超过80°C",
    "response_time": "模型响应时间超过2秒",
    "error_rate": "错误率超过5%",
    "disk_space": "磁盘空间不足10%",
}


@pytest.mark.parametrize(("preset", "chinese"), GUIDE.items())
def test_default_rules_have_the_names_of_the_guide(preset, chinese):
    english = PRESETS[preset]["name"]
    rule = AlertRule(**{**HOT, "name": english, "preset": preset})
    assert rule_name(rule) == english
    with override("zh-hans"):
        assert rule_name(rule) == chinese
        assert rule_name(Alert(rule_name=english, preset=preset)) == chinese
        assert rule_name(AlertRule(**{**HOT, "name": english})) == english


@pytest.mark.parametrize("preset", PRESETS)
def test_every_default_rule_is_translated_until_it_is_renamed(preset):
    texts = {name: PRESETS[preset][name] for name in ("name", "description")}
    rule = AlertRule(**{**HOT, **texts, "preset": preset})
    with override("zh-hans"):
        assert rule_name(rule) != rule.name
        assert rule_description(rule) != rule.description
        rule.name, rule.description = "Models", "Model"
        assert (rule_name(rule), rule_description(rule)) == ("Models", "Model")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (90, "90 seconds"), (120, "2 minutes"),
     (3600, "1 hour"), (14_400, "4 hours"), (86_400, "1 day"), (604_800, "7 days"),
     (86_400 * 6.9, "6 days"), (5400, "90 minutes"), (61.5, "62 seconds")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_every_metric_has_a_quantity():
    assert {quantity(name, "avg", None) for name in METRICS} == {"–"}
    assert quantity("gpu_memory_used", "avg", 81920) == "80 GiB"
    assert quantity("gpu_power", "avg", 123.456) == "123 W"
    assert quantity("error_ratio", "avg", 5.25) == "5.25%"
    assert quantity("kv_cache_usage", "avg", 0.95) == "0.95"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ((7, 3, 2473.0, 60),
         "In the last 7 days this rule would have fired 3 times, 41 minutes in all."),
        ((1, 1, 90.0, 10),
         "In the last 1 day this rule would have fired once, for 90 seconds."),
        ((30, 0, 0.0, 3600), "In the last 30 days this rule would not have fired."
         " Only values over 1 hour are still known."),
    ],
)  # fmt: skip
def test_backtest_reads_as_a_sentence(found, text):
    assert backtest_sentence(*found) == text
