"""What llama.cpp's own server reads of a request, beyond OpenAI's API.

Bounds keep a request from holding up the others: the engine prepares samplers and
grammars in the thread that generates for everybody. Not listed, and so refused: what
belongs to the operator (slots, adapters, speculation) or changes the response's form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from common.problems import Problem, wrong_type
from common.request_fields.checks import (
    INT32_MAX,
    Check,
    boolean,
    choice,
    integer,
    list_of,
    mapping,
    number,
    of_type,
    sized,
    text,
    without_effect,
)
from common.request_fields.dialect import Body, EngineDialect

MAX_GRAMMAR_BYTES = 16 * 1024
MAX_OPTIONS_BYTES = 64 * 1024
MAX_BIASES = 1024
# Each is looked up in the whole vocabulary, at every position.
MAX_BREAKERS, MAX_BREAKER_BYTES = 8, 16
SAMPLERS = (
    *("penalties", "dry", "top_n_sigma", "top_k", "typ_p", "typical_p", "top_p"),
    *("min_p", "xtc", "temperature", "infill", "adaptive_p"),
)
PAIR = "list of a token and a number or false"

OPTIONS = sized(of_type(dict, "object"), MAX_OPTIONS_BYTES)
GRAMMAR = text(MAX_GRAMMAR_BYTES)
SCHEMA = sized(of_type(dict, "object"), MAX_GRAMMAR_BYTES)
COUNT = integer(0, INT32_MAX)
COUNT_OR_ALL = integer(-1, INT32_MAX)
FRACTION = number(0, 1)
FACTOR = number(0, 100)


def _bias(name: str, value: object) -> Problem | None:
    """[token or text, bias]; false forbids it."""
    if not isinstance(value, list) or len(value) != 2:
        return wrong_type(name, value, PAIR)
    token, bias = value
    if isinstance(token, bool) or not isinstance(token, int | str):
        return wrong_type(name, value, PAIR)
    return None if bias is False else number(-100, 100)(name, bias)


def _biases(name: str, value: object) -> Problem | None:
    if isinstance(value, list):
        return list_of(_bias, MAX_BIASES)(name, value)
    return mapping(number(-100, 100), MAX_BIASES)(name, value)


SERVER: Mapping[str, Check] = {
    "top_k": COUNT_OR_ALL,
    "min_p": FRACTION,
    "repeat_penalty": FACTOR,
    "grammar": GRAMMAR,
    "n_predict": COUNT_OR_ALL,
    "logit_bias": _biases,
    "n_probs": integer(0, 20),
    "post_sampling_probs": boolean,
    "typical_p": FRACTION,
    "top_n_sigma": number(-1, 100),
    "min_keep": COUNT,
    "xtc_probability": FRACTION,
    "xtc_threshold": FRACTION,
    "dynatemp_range": FACTOR,
    "dynatemp_exponent": FACTOR,
    "repeat_last_n": COUNT_OR_ALL,
    "dry_multiplier": FACTOR,
    "dry_base": FACTOR,
    "dry_allowed_length": COUNT,
    "dry_penalty_last_n": COUNT_OR_ALL,
    "dry_sequence_breakers": list_of(text(MAX_BREAKER_BYTES), MAX_BREAKERS),
    "mirostat": integer(0, 2),
    "mirostat_tau": FACTOR,
    "mirostat_eta": FRACTION,
    "adaptive_target": number(-1, 1),
    "adaptive_decay": FRACTION,
    "samplers": list_of(choice(*SAMPLERS), len(SAMPLERS)),
    "json_schema": SCHEMA,
    "ignore_eos": boolean,
    "cache_prompt": boolean,
    "n_keep": COUNT_OR_ALL,
    "n_discard": COUNT,
    "n_indent": COUNT,
    "t_max_predict_ms": COUNT_OR_ALL,
    "timings_per_token": boolean,
    "return_tokens": boolean,
    "return_progress": boolean,
}
CHAT: Mapping[str, Check] = {
    **SERVER,
    "chat_template_kwargs": OPTIONS,
    "add_generation_prompt": boolean,
    "continue_final_message": boolean,
    "parse_tool_calls": boolean,
    "reasoning_format": choice("none", "auto", "deepseek", "deepseek-legacy"),
    "reasoning_budget_tokens": COUNT_OR_ALL,
    "thinking_budget_tokens": COUNT_OR_ALL,
}
COMPLETIONS: Mapping[str, Check] = {
    **SERVER,
    "echo": without_effect(False),
    "response_format": without_effect({"type": "text"}),
}


def _adapt(body: Body) -> Body:
    """It reads a function named in tool_choice as auto, and the reasoning effort only
    as a variable of the chat template."""
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        name = choice["function"]["name"]
        tools = [tool for tool in body["tools"] if tool["function"]["name"] == name]
        body = {**body, "tools": tools, "tool_choice": "required"}
    if effort := body.get("reasoning_effort"):
        variables = body.get("chat_template_kwargs") or {}
        variables = {"reasoning_effort": effort, **variables}
        body = {**body, "chat_template_kwargs": variables}
    return body


def _adapt_tokenize(body: Body) -> Body:
    return {
        "content": body["prompt"],
        "add_special": body.get("add_special_tokens", True),
    }


# Not here although it has them: responses, whose events lack the indexes and numbers
# that OpenAI's packages need, and messages. Of a whole response of both it goes on
# generating when the client has left. The gateway translates both from chat.
PATHS = {
    "tokenize": "/tokenize",
    "count_tokens": "/v1/messages/count_tokens",
    "transcriptions": "/v1/audio/transcriptions",
}
SERVER_DIALECT = EngineDialect(
    chat=CHAT,
    completions=COMPLETIONS,
    embeddings={"dimensions": without_effect(), "embd_normalize": integer(-1, 100)},
    adapt=_adapt,
    adapt_tokenize=_adapt_tokenize,
    paths=PATHS,
)
RERANK_DIALECT = replace(SERVER_DIALECT, paths={**PATHS, "rerank": "/v1/rerank"})
