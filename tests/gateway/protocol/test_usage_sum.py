import pytest

from gateway.protocol.usage_sum import UsageSum


def usage(prompt, completion):
    return {"prompt_tokens": prompt, "completion_tokens": completion}


@pytest.mark.parametrize(
    ("per_prompt", "parts", "prompt", "completion"),
    [
        (1, [usage(3, 4), usage(5, 6)], 8, 10),
        (2, [usage(3, 4), usage(3, 6)], 3, 10),
        (2, [usage(3, 1), usage(3, 1), usage(5, 1), usage(5, 1)], 8, 4),
        (1, [usage(3, 4), {"prompt_tokens": None}], 3, 4),
    ],
)
def test_completions_add_up_and_a_prompt_counts_once(
    per_prompt, parts, prompt, completion
):
    total = UsageSum(per_prompt)
    for part in parts:
        total.add(part)
    assert total.total() == {
        **usage(prompt, completion),
        "total_tokens": prompt + completion,
    }


def test_single_usage_is_the_engines():
    total = UsageSum(4)
    assert total.total() == {}
    total.add({**usage(3, 16), "prompt_tokens_details": {"cached_tokens": 1}})
    assert total.total() == {
        **usage(3, 16),
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_details_of_several_completions_add_up():
    total = UsageSum(2)
    for cached, reasoning in ((2, 3), (2, 5)):
        total.add(
            {
                **usage(3, 6),
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": reasoning},
            }
        )
    assert total.total() == {
        **usage(3, 12),
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
