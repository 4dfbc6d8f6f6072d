"""Chat templates that llama.cpp has under a name.

It takes any other text for a template, and a word without placeholders for the whole
prompt of every request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from common.problems import Problem, shorten
from runtimes.frameworks.base import Config
from runtimes.frameworks.fields import text_of

KEY = "chat_template"
MARKS = ("{{", "{%")
# Its Jinja engine, which is the default, knows a single name.
JINJA_NAMES = ("chatml",)
# LLM_CHAT_TEMPLATES of its src/llama-chat.cpp
NAMES = (
    "bailing", "bailing-think", "bailing2", "chatglm3", "chatglm4", "chatml",
    "command-r", "deepseek", "deepseek-ocr", "deepseek2", "deepseek3", "exaone-moe",
    "exaone3", "exaone4", "falcon3", "gemma", "gigachat", "glmedge", "gpt-oss",
    "granite", "granite-4.0", "granite-4.1", "grok-2", "hunyuan-dense", "hunyuan-moe",
    "hunyuan-vl", "kimi-k2", "llama2", "llama2-sys", "llama2-sys-bos",
    "llama2-sys-strip", "llama3", "llama4", "megrez", "minicpm", "mistral-v1",
    "mistral-v3", "mistral-v3-tekken", "mistral-v7", "mistral-v7-tekken", "monarch",
    "openchat", "orion", "pangu-embedded", "phi3", "phi4", "rwkv-world", "seed_oss",
    "smolvlm", "solar-open", "vicuna", "vicuna-orca", "yandex", "zephyr",
)  # fmt: skip


def template_problems(config: Config) -> Iterator[Problem]:
    """For a config whose values have the right types."""
    template = text_of(config, KEY)
    extra = cast(Mapping[str, object], config.get("extra_args", {}))
    names = JINJA_NAMES if extra.get("use_jinja", True) else NAMES
    is_template = any(mark in template for mark in MARKS)
    if KEY in config and not is_template and template not in names:
        params: dict[str, object] = {"value": shorten(template), "allowed": names}
        yield Problem(
            code="unknown_chat_template", field=f"config.{KEY}", params=params
        )
