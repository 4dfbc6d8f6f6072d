import json

import pytest
from django.utils.translation import override

from common import messages
from common.messages import Reason, advise, find, reason_of, register, render
from runtimes.frameworks.fields import Choice, Integer, Object, installation, wrong_type

WITH_ADVICE = [code for code, reason in messages.registry.items() if reason.advice]


@pytest.mark.parametrize("code", WITH_ADVICE)
def test_advice_is_given_in_both_languages(code):
    english = advise(code, {})
    with override("zh-hans"):
        chinese = advise(code, {})
    assert english
    assert chinese not in ("", english)


def test_advice_on_the_cause_takes_precedence():
    cause = {"code": "out_of_memory", "params": {}}
    assert advise("gave_up", {"cause": cause}) == advise("out_of_memory", {})
    nested = {"code": "not_retried", "params": {"cause": cause}}
    assert advise("retrying", {"cause": nested}) == advise("out_of_memory", {})


def test_advice_is_theregistry_own_when_its_cause_has_none():
    cause = {"code": "missing_key", "params": {"key": "model_path"}}
    assert advise("config_refused", {"cause": cause}) == advise("config_refused", {})
    broken = {"code": "gguf_truncated", "params": {}}
    again = advise("model_file_broken", {"cause": broken})
    assert again.startswith("Copy or download it again")


@pytest.mark.parametrize("params", [{}, {"cause": None}, {"cause": "x"}, {"cause": {}}])
def test_reason_without_advice_has_none(params):
    assert reason_of("insufficient_cpu", params)["advice"] == ""


def test_register_refuses_a_code_twice():
    with pytest.raises(ValueError, match="gave_up"):
        register([Reason("gave_up", "Another message.")])


@pytest.mark.parametrize("code", ["from_a_newer_version", "50%", "100%(x)s"])
def test_unknown_code_is_its_own_message(code):
    assert find(code).code == code
    assert render(code, {}) == code


def test_missing_parameter_shows_the_code():
    assert render("gave_up", {"attempts": 3}) == "gave_up"


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "m: Not started → Waiting for resources."),
        ("zh-hans", "m：未启动 → 等待资源。"),
    ],
)
def test_labels_are_shown_for_codes(language, message):
    with override(language):
        params = {"model": "m", "old": "stopped", "new": "waiting"}
        assert render("status_changed", params) == message


def test_empty_list_is_shown_as_none():
    params = {"model": "m", "status": "stopping", "operation": "stop", "allowed": []}
    assert render("operation_not_allowed", params).endswith("none.")


def message_of(field, value, language):
    problem = field.problem("key", value)
    with override(language):
        return render(problem.code, problem.params)


@pytest.mark.parametrize(
    ("field", "value", "english", "chinese"),
    [
        (Integer(min=1, max=2), "x", "an integer", "整数"),
        (Object(), [], "a JSON object", "JSON对象"),
        (
            Choice(numbers={"on": 1, "off": 0}),
            "x",
            "one of on, off",
            "以下之一：on, off",
        ),
        (
            installation("a", "b"),
            "x",
            "one of a, b, optionally followed by @ and the label of an installation",
            "以下之一：a, b（可在其后加 @ 和安装标签）",
        ),
    ],
)
def test_expected_value_is_shown_in_the_readers_language(
    field, value, english, chinese
):
    given = json.dumps(value)
    assert message_of(field, value, "en") == f"key must be {english}, not {given}."
    in_chinese = message_of(field, value, "zh-hans")
    assert in_chinese == f"key 的值 {given} 无效，应为{chinese}。"


def test_unknown_expected_value_is_shown_as_it_is():
    problem = wrong_type("key", 1, "a colour")
    with override("zh-hans"):
        assert render(problem.code, problem.params).endswith("a colour。")


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "Model m was changed: priority, tags."),
        ("zh-hans", "已修改模型 m：优先级, 标签。"),
    ],
)
def test_changed_fields_are_shown_by_their_labels(language, message):
    fields = ["priority", "tags"]
    with override(language):
        assert render("model_updated", {"model": "m", "fields": fields}) == message
