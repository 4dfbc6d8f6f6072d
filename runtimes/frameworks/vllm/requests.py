"""What vLLM reads of a request, beyond OpenAI's API.

Not listed, and so refused: what lets a request go ahead of others (priority), what is
for one response and not for a stream (prompt_logprobs), beams, and what belongs to the
operator (chat_template, transfers of caches, processors of media).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from common.problems import Problem
from common.request_fields.checks import (
    INT32_MAX,
    INT64_MAX,
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
POOLING: Mapping[str, Check] = {
    "truncate_prompt_tokens": integer(-1, INT32_MAX),
    "max_tokens_per_query": COUNT,
    "max_tokens_per_doc": COUNT,
    "instruction": text(MAX_OPTIONS_BYTES),
    "use_activation": boolean,
}
TOKENIZE: Mapping[str, Check] = {
    "messages": list_of(of_type(dict, "object"), 100_000),
    "tools": sized(list_of(of_type(dict, "object"), 128), 256 * 1024),
    "return_token_strs": boolean,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
    "chat_template_kwargs": OPTIONS,
}
MESSAGES: Mapping[str, Check] = {
    "chat_template_kwargs": OPTIONS,
    "cache_salt": text(128),
}
RESPONSES: Mapping[str, Check] = {
    "top_k": integer(-1, INT32_MAX),
    "min_p": number(0, 1),
    "repetition_penalty": number(0, 100),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "seed": integer(-INT64_MAX - 1, INT64_MAX),
    "ignore_eos": boolean,
    "skip_special_tokens": boolean,
    "include_reasoning": boolean,
    "cache_salt": text(128),
}
GENERATING_PATHS = {
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "count_tokens": "/v1/messages/count_tokens",
    "transcriptions": "/v1/audio/transcriptions",
    "tokenize": "/tokenize",
}
POOLING_PATHS = {"rerank": "/rerank", "score": "/score", "tokenize": "/tokenize"}
GENERATING = EngineDialect(
    chat=CHAT,
    completions=SHARED,
    embeddings=EMBEDDINGS,
    responses=RESPONSES,
    messages=MESSAGES,
    rerank=POOLING,
    score=POOLING,
    tokenize=TOKENIZE,
    paths=GENERATING_PATHS,
    stops_on_disconnect=True,
)
POOLING_DIALECT = replace(GENERATING, paths=POOLING_PATHS)
# Left to itself vLLM looks at the model, and answers 404 what it then lacks.
DIALECT = replace(GENERATING, paths={**GENERATING_PATHS, **POOLING_PATHS})
BY_RUNNER = {"generate": GENERATING, "pooling": POOLING_DIALECT}
