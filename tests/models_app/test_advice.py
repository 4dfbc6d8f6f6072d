import pytest
from django.utils.translation import override

from models_app.advice import ADVICE, advise
from models_app.messages import MESSAGES
from models_app.models import reason_of


@pytest.mark.parametrize("code", ADVICE)
def test_advice_is_of_a_known_reason_in_both_languages(code):
    assert code in MESSAGES
    english = advise(code, {})
    with override("zh-hans"):
        chinese = advise(code, {})
    assert english
    assert chinese not in ("", english)


def test_advice_of_a_reason_with_a_cause_is_the_causes():
    cause = {"code": "out_of_memory", "params": {}}
    assert advise("gave_up", {"cause": cause}) == advise("out_of_memory", {})
    nested = {"code": "not_retried", "params": {"cause": cause}}
    assert advise("retrying", {"cause": nested}) == advise("out_of_memory", {})


def test_advice_of_a_reason_whose_cause_has_none_is_its_own():
    cause = {"code": "missing_key", "params": {"key": "model_path"}}
    assert advise("config_refused", {"cause": cause}) == advise("config_refused", {})
    broken = {"code": "gguf_truncated", "params": {}}
    again = advise("model_file_broken", {"cause": broken})
    assert again.startswith("Copy or download it again")


@pytest.mark.parametrize("params", [{}, {"cause": None}, {"cause": "x"}, {"cause": {}}])
def test_reason_without_advice_has_none(params):
    assert reason_of("insufficient_cpu", params)["advice"] == ""
