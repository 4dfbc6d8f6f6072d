"""Add up the usage of a response. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Json = dict[str, object]
COUNTS = ("prompt_tokens", "completion_tokens")
# Parts of them, each in an object of its own
DETAILS = {
    "prompt_tokens_details": "cached_tokens",
    "completion_tokens_details": "reasoning_tokens",
}


class UsageSum:
    """llama.cpp sends a usage object for each completion, vLLM one for all of them."""

    def __init__(self, completions_per_prompt: int = 1) -> None:
        self._per_prompt = completions_per_prompt
        self._count = 0
        self._last: Json = {}
        self._sums = dict.fromkeys(COUNTS, 0)
        self._details: dict[str, int] = {}

    def add(self, usage: Mapping[str, object]) -> None:
        self._count += 1
        self._last = dict(usage)
        for name in COUNTS:
            value = usage.get(name)
            self._sums[name] += value if isinstance(value, int) else 0
        for name, part in DETAILS.items():
            details = usage.get(name)
            value = details.get(part) if isinstance(details, dict) else None
            if isinstance(value, int):
                self._details[name] = self._details.get(name, 0) + value

    @property
    def is_exact(self) -> bool:
        """Whether total() is what the engine sent."""
        return self._count <= 1

    def total(self) -> Json:
        """Empty without usage. As in OpenAI's API, a prompt counts once, whatever the
        number of its completions."""
        if self.is_exact:
            return self._last
        completion = self._sums["completion_tokens"]
        prompt = self._sums["prompt_tokens"] // self._per_prompt
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            **{name: {DETAILS[name]: part} for name, part in self._parts()},
        }

    def _parts(self) -> Iterator[tuple[str, int]]:
        for name, part in self._details.items():
            is_prompt = name == "prompt_tokens_details"
            yield name, part // self._per_prompt if is_prompt else part
