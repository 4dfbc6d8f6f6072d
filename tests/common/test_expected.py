import pytest
from django.utils.translation import override

from common.messages import render
from runtimes.frameworks.fields import Choice, Integer, Object, installation, wrong_type


def words(field, value, language):
    problem = field.problem("key", value)
    with override(language):
        return render(problem.code, problem.params)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (Integer(min=1, max=2), "x", 'key 的值为 "x"；应为：整数。'),
        (Object(), [], "key 的值为 []；应为：JSON 对象。"),
        (
            Choice(numbers={"on": 1, "off": 0}),
            "x",
            'key 的值为 "x"；应为：以下之一：on, off。',
        ),
        (
            installation("a", "b"),
            "x",
            'key 的值为 "x"；应为：以下之一：a, b，或在其后加 @ 和安装标签。',
        ),
    ],
)
def test_what_is_needed_is_told_in_the_readers_language(field, value, told):
    assert words(field, value, "zh-hans") == told
    expected = field.problem("key", value).params["expected"]
    assert words(field, value, "en").endswith(f"; needed: {expected}.")


def test_what_is_not_known_stays_as_it_is():
    problem = wrong_type("key", 1, "a colour")
    with override("zh-hans"):
        assert render(problem.code, problem.params).endswith("a colour。")
