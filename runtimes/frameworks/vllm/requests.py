"""What vLLM reads of a request, beyond OpenAI's API.

Not listed, and so refused: what lets a request go ahead of others (priority), what is
for one response and not for a stream (prompt_logprobs), beams, and what belongs to the
operator (chat_template, transfers of caches, processors of media).
"""

from __future__ import annotations

from collections.abc import Mapping

from common.problems import Problem
from common.request_fields.checks import (
    INT32_MAX,
    Check,
    boolean,
    choice,
    integer,
    list_of,
    number,
    of_type,
    sized,
    text,
)
from common.request_fields.dialect import EngineDialect

MAX_SCHEMA_BYTES = 32 * 1024
MAX_OPTIONS_BYTES = 64 * 1024
COUNT = integer(0, INT32_MAX)
TOKEN = integer(0, INT32_MAX)
OPTIONS = sized(of_type(dict, "object"), MAX_OPTIONS_BYTES)
SCHEMA = sized(of_type(dict, "object"), MAX_SCHEMA_BYTES)
FORMATS = ("text", "json_object", "json_schema", "structural_tag")


def response_format(name: str, value: object) -> Problem | None:
    if problem := SCHEMA(name, value):
        return problem
    kind = value.get("type") if isinstance(value, dict) else None
    return choice(*FORMATS)(f"{name}.type", kind)


SHARED: Mapping[str, Check] = {
    "top_k": integer(-1, INT32_MAX),
    "min_p": number(0, 1),
    "repetition_penalty": number(0, 100),
    "min_tokens": COUNT,
    "stop_token_ids": list_of(TOKEN, 128),
    "allowed_token_ids": list_of(TOKEN, 1024),
    "bad_words": list_of(text(1024), 128),
    "include_stop_str_in_output": boolean,
    "ignore_eos": boolean,
    "skip_special_tokens": boolean,
    "spaces_between_special_tokens": boolean,
    "add_special_tokens": boolean,
    "truncate_prompt_tokens": integer(-1, INT32_MAX),
    "truncation_side": choice("left", "right"),
    "return_tokens_as_token_ids": boolean,
    "structured_outputs": SCHEMA,
    "response_format": response_format,
    "thinking_token_budget": COUNT,
    "cache_salt": text(128),
}
CHAT: Mapping[str, Check] = {
    **SHARED,
    "chat_template_kwargs": OPTIONS,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
    "include_reasoning": boolean,
    "documents": sized(list_of(of_type(dict, "object"), 128), 2**20),
}
EMBEDDINGS: Mapping[str, Check] = {
    "truncate_prompt_tokens": integer(-1, INT32_MAX),
    "truncation_side": choice("left", "right"),
    "add_special_tokens": boolean,
}
DIALECT = EngineDialect(chat=CHAT, completions=SHARED, embeddings=EMBEDDINGS)
