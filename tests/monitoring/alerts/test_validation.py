import math

import pytest

from common.messages import render
from monitoring.alerts.evaluation.windows import MAX_WINDOW_S
from monitoring.alerts.models import AlertRule
from monitoring.alerts.validation import RANGES, problems
from tests.builders import a_model
from tests.monitoring.alerts.builders import (
    a_channel,
    a_rule,
    a_source,
    remove_default_rules,
    rule_fields,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_default_rules(db):
    remove_default_rules()


WRONG = [
    ({"threshold": math.nan}, "threshold", "wrong_type"),
    ({"threshold": math.inf}, "threshold", "wrong_type"),
    ({"threshold": -math.inf}, "threshold", "wrong_type"),
    ({"threshold": 10**400}, "threshold", "wrong_type"),
    ({"threshold": "80"}, "threshold", "wrong_type"),
    ({"threshold": True}, "threshold", "wrong_type"),
    ({"threshold": None}, "threshold", "wrong_type"),
    ({"clear_threshold": math.nan}, "clear_threshold", "wrong_type"),
    ({"clear_threshold": "70"}, "clear_threshold", "wrong_type"),
    ({"clear_threshold": 80.1}, "clear_threshold", "rule_clear_threshold"),
    ({"comparison": "<", "clear_threshold": 79}, "clear_threshold",
     "rule_clear_threshold"),
    ({"window_s": 9}, "window_s", "out_of_range"),
    ({"window_s": 0}, "window_s", "out_of_range"),
    ({"window_s": MAX_WINDOW_S + 1}, "window_s", "out_of_range"),
    ({"window_s": 60.5}, "window_s", "wrong_type"),
    ({"window_s": "60"}, "window_s", "wrong_type"),
    ({"for_s": -1}, "for_s", "out_of_range"),
    ({"for_s": 10**12}, "for_s", "out_of_range"),
    ({"keep_firing_for_s": -1}, "keep_firing_for_s", "out_of_range"),
    ({"repeat_interval_s": -1}, "repeat_interval_s", "out_of_range"),
    ({"min_count": -1}, "min_count", "out_of_range"),
    ({"metric": "gpu_temprature"}, "metric", "unknown_metric"),
    ({"metric": ""}, "metric", "unknown_metric"),
    ({"aggregate": "p95"}, "aggregate", "aggregate_not_possible"),
    ({"metric": "error_ratio", "aggregate": "max"}, "aggregate",
     "aggregate_not_possible"),
    ({"metric": "response_time", "aggregate": "min"}, "aggregate",
     "aggregate_not_possible"),
    ({"comparison": "=="}, "comparison", "rule_unknown_comparison"),
    ({"severity": "fatal"}, "severity", "rule_unknown_severity"),
    ({"scope": "gpu:GPU-0"}, "scope", "wrong_type"),
    ({"scope": [1]}, "scope", "wrong_type"),
    ({"scope": ["model:1"]}, "scope", "rule_scope_kind"),
    ({"scope": ["GPU-0"]}, "scope", "rule_scope_kind"),
    ({"scope": ["gpu:unknown"]}, "scope", "rule_scope_source"),
    ({"scope": ["gpu:GPU-0"] * 501}, "scope", "out_of_range"),
    ({"channels": [0]}, "channels", "rule_unknown_channel"),
    ({"channels": ["1"]}, "channels", "wrong_type"),
    ({"channels": 1}, "channels", "wrong_type"),
    *(({"name": f"a{text}b"}, "name", "alert_text_invalid")
      for text in ("{{ 7 }}", "{% x %}", "%(x)s", "${x}", "\r\nBcc: x", "\x00", "\x7f",
                   "\u2028")),
    ({"description": "line\nwith {{ x }}"}, "description", "alert_text_invalid"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "code"), WRONG)
def test_problem_names_field_value_and_what_is_allowed(fields, field, code):
    a_source()
    found = problems(rule_fields(**fields))
    assert [(p.field, p.code) for p in found] == [(field, code)]
    [problem] = found
    text = render(problem.code, problem.params)
    assert text != problem.code
    shown = problem.params.keys()
    assert shown & {"allowed", "expected", "min", "threshold"}


RIGHT = [
    {},
    {"threshold": 0},
    {"threshold": -3.5},
    {"clear_threshold": 80},
    {"clear_threshold": 70.5},
    {"comparison": "<=", "clear_threshold": 90},
    {"window_s": 10},
    {"window_s": MAX_WINDOW_S, "for_s": 0},
    {"scope": ["gpu:GPU-0"]},
    {"scope": []},
    {"description": "First line\nsecond line\twith 100%"},
    {"name": "过热 100% <b>{x}</b> $x"},
    {"metric": "response_time", "aggregate": "p99"},
    *({name: high} for name, (_, high) in RANGES.items()),
]


@pytest.mark.parametrize("fields", RIGHT)
def test_valid_rule(fields):
    a_source()
    assert problems(rule_fields(**fields)) == []


def test_models_are_sources_before_they_are_measured():
    model = a_model()
    fields = rule_fields(metric="model_error", aggregate="max", threshold=0)
    assert problems({**fields, "scope": [f"model:{model.pk}"]}) == []


def test_names_are_unique():
    rule = a_rule("Hot")
    assert [p.code for p in problems(rule_fields(name="Hot"))] == ["rule_name_taken"]
    assert problems({"name": "Hot"}, instance=rule) == []


def test_change_is_checked_against_the_other_fields():
    rule = a_rule(clear_threshold=75)
    [problem] = problems({"threshold": 70}, instance=rule)
    assert problem.code == "rule_clear_threshold"
    [problem] = problems({"metric": "requests"}, instance=rule)
    assert problem.code == "aggregate_not_possible"


def test_rule_can_be_edited_after_its_source_is_gone():
    rule = a_rule(scope=["gpu:gone"])
    assert problems({"threshold": 70, "scope": ["gpu:gone"]}, instance=rule) == []


def test_channels_are_known_ones():
    assert problems(rule_fields(channels=[a_channel().pk])) == []


def test_all_problems_are_found_at_once():
    found = problems({
        "name": "{{", "metric": "x", "aggregate": "y", "threshold": "z",
        "severity": "s", "comparison": "c", "window_s": 1,
    })  # fmt: skip
    assert {p.field for p in found} == {
        "name", "metric", "threshold", "severity", "comparison", "window_s"
    }  # fmt: skip
    assert not AlertRule.objects.exists()
