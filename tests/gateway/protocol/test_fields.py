import pytest

from gateway.protocol import fields
from gateway.protocol.fields import SAMPLING
from gateway.protocol.validation import validate

TOOL = {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"max_tokens": 1, "temperature": 0, "top_p": 1, "stream": False, "seed": -1},
        {"temperature": 2, "top_p": 0.0, "seed": 2**63 - 1},
        {"temperature": 1.5, "max_tokens": 2**31 - 1},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"stop": "."},
        {"stop": []},
        {"stop": ["."] * 128},
        dict.fromkeys(SAMPLING),
    ],
    ids=lambda field: str(field)[:40],
)
def test_valid_sampling_is_accepted(field):
    assert list(validate(field, SAMPLING)) == []


@pytest.mark.parametrize(
    ("field", "value", "code", "params"),
    [
        (
            "max_tokens",
            -2,
            "out_of_range",
            {"min": -1, "max": 2**31 - 1, "value": "-2"},
        ),
        ("max_tokens", 2**31, "out_of_range", {"max": 2**31 - 1}),
        ("max_tokens", 1.5, "wrong_type", {"expected": "integer", "value": "1.5"}),
        ("max_tokens", "5", "wrong_type", {"value": '"5"'}),
        ("max_tokens", True, "wrong_type", {"value": "true"}),
        ("temperature", -0.1, "out_of_range", {"min": 0, "max": 2}),
        ("temperature", 2.01, "out_of_range", {"value": "2.01"}),
        ("temperature", "warm", "wrong_type", {"expected": "number"}),
        ("temperature", False, "wrong_type", {}),
        ("top_p", 1.1, "out_of_range", {"min": 0, "max": 1}),
        ("top_p", [], "wrong_type", {"value": "[]"}),
        ("seed", 1.0, "wrong_type", {"expected": "integer"}),
        ("seed", 2**63, "out_of_range", {"min": -(2**63)}),
        ("stream", 1, "wrong_type", {"expected": "true, false"}),
        ("stream", "true", "wrong_type", {}),
        ("stop", "", "wrong_type", {}),
        ("stop.0", [""], "wrong_type", {}),
        ("stop.1", ["a", 5], "wrong_type", {}),
        ("stop.0", ["a" * 1025], "out_of_range", {"value": "1025"}),
        ("stop", ["a"] * 129, "out_of_range", {"max": "128 items"}),
        ("stop", {}, "wrong_type", {"value": "{}"}),
    ],
)
def test_invalid_sampling_is_reported(field, value, code, params):
    (problem,) = validate({field.partition(".")[0]: value}, SAMPLING)
    assert (problem.field, problem.code) == (field, code)
    assert params.items() <= problem.params.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_logprobs", 20),
        ("n", 128),
        ("logit_bias", {str(token): -100 for token in range(1024)}),
        ("tools", [TOOL] * 128),
        ("tool_choice", "required"),
        ("tool_choice", TOOL),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {}}}),
        ("reasoning_effort", "low"),
        ("modalities", ["text"]),
        ("verbosity", "medium"),
        ("metadata", {"any": "thing"}),
        ("prediction", {"type": "content", "content": "x"}),
    ],
)
def test_field_of_chat_is_accepted(name, value):
    assert list(validate({name: value}, fields.CHAT)) == []


@pytest.mark.parametrize(
    ("name", "value", "field", "code"),
    [
        ("top_logprobs", 2147483647, "top_logprobs", "out_of_range"),
        ("logprobs", 5, "logprobs", "wrong_type"),
        ("n", 0, "n", "out_of_range"),
        ("n", 129, "n", "out_of_range"),
        ("logit_bias", {str(n): 1 for n in range(1025)}, "logit_bias", "out_of_range"),
        ("logit_bias", {"5": 101}, "logit_bias", "out_of_range"),
        ("logit_bias", "x", "logit_bias", "wrong_type"),
        ("presence_penalty", 2.1, "presence_penalty", "out_of_range"),
        ("tools", [TOOL] * 129, "tools", "out_of_range"),
        ("tools", [{**TOOL, "x": "y" * 300_000}], "tools", "out_of_range"),
        ("tools", [TOOL, {"type": "web_search"}], "tools.1", "wrong_type"),
        ("tool_choice", "any", "tool_choice", "wrong_type"),
        ("tool_choice", {"type": "function"}, "tool_choice", "wrong_type"),
        ("response_format", "json", "response_format", "wrong_type"),
        ("response_format", {"type": "xml"}, "response_format.type", "wrong_type"),
        ("response_format", {"a": "x" * 40_000}, "response_format", "out_of_range"),
        ("reasoning_effort", "extreme", "reasoning_effort", "wrong_type"),
        ("stream_options", {"include_usage": 1}, "stream_options.include_usage", ""),
        ("modalities", ["text", "audio"], "modalities", "field_without_effect"),
        ("audio", {"voice": "alloy"}, "audio", "field_without_effect"),
        ("functions", [{"name": "look"}], "functions", "field_without_effect"),
        ("function_call", "auto", "function_call", "field_without_effect"),
        ("verbosity", "low", "verbosity", "field_without_effect"),
        ("web_search_options", {}, "web_search_options", "field_without_effect"),
    ],
)
def test_field_of_chat_is_rejected(name, value, field, code):
    (problem,) = validate({name: value}, fields.CHAT)
    assert (problem.field, problem.code) == (field, code or "wrong_type")


@pytest.mark.parametrize("value", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_prompt_has_four_forms(value):
    assert fields.prompts(2)("prompt", value) is None


@pytest.mark.parametrize(
    "value", [5, [], [[]], ["a", 1], [True], {}, [1.5], ["a", "b", "c"]]
)
def test_other_prompt_is_rejected(value):
    assert fields.prompts(2)("prompt", value).field == "prompt"


@pytest.mark.parametrize(
    ("name", "neutral", "other"),
    [("suffix", "", "x"), ("best_of", 1, 2), ("best_of", 1, True), ("echo", False, 1)],
)
def test_field_of_completions_that_engines_ignore_has_one_value(name, neutral, other):
    assert list(validate({name: neutral}, fields.COMPLETIONS)) == []
    assert [p.field for p in validate({name: other}, fields.COMPLETIONS)] == [name]
