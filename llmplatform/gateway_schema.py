"""The gateway's part of the OpenAPI schema; its requests never reach Django."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", **needed, "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
STOP: Schema = {"oneOf": [TEXT, _list(TEXT)]}
SAMPLING: dict[str, Schema] = {
    "max_tokens": {
        "type": "integer",
        "minimum": -1,
        "description": "-1: as many as the context holds.",
    },
    "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1},
    "stop": STOP,
    "seed": INTEGER,
    "stream": {"type": "boolean", "default": False},
}
MODEL: Schema = {"type": "string", "description": "Name or alias of a model."}
OPENAI: Schema = {"description": "As of OpenAI's API.", "additionalProperties": True}
ANTHROPIC: Schema = {
    "type": "object",
    "description": "As of Anthropic's API.",
    "additionalProperties": True,
}
CHOICE = _object(index=INTEGER, finish_reason={"type": "string", "nullable": True})

SCHEMAS: dict[str, Schema] = {
    "Message": _object(
        ("role", "content"),
        role={"type": "string", "enum": ["system", "user", "assistant", "tool"]},
        content=TEXT,
    ),
    "Usage": _object(
        prompt_tokens=INTEGER, completion_tokens=INTEGER, total_tokens=INTEGER
    ),
    "GenerateRequest": {
        "description": "Either `prompt` or `messages`.",
        **_object(prompt=TEXT, messages=_list(_ref("Message")), **SAMPLING),
    },
    "GenerateResponse": _object(
        id=TEXT,
        model=TEXT,
        text=TEXT,
        finish_reason=TEXT,
        usage=_ref("Usage"),
        latency_ms={"type": "number"},
    ),
    "ChatCompletionRequest": {
        **OPENAI,
        **_object(
            ("model", "messages"),
            model=MODEL,
            messages=_list(_ref("Message")),
            **SAMPLING,
        ),
    },
    "ChatCompletion": {
        **OPENAI,
        **_object(
            id=TEXT,
            object=TEXT,
            created=INTEGER,
            model=TEXT,
            choices=_list({"allOf": [CHOICE, _object(message=_ref("Message"))]}),
            usage=_ref("Usage"),
        ),
    },
    "CompletionRequest": {
        **OPENAI,
        **_object(("model", "prompt"), model=MODEL, prompt=STOP, **SAMPLING),
    },
    "Completion": {
        **OPENAI,
        **_object(
            id=TEXT,
            object=TEXT,
            created=INTEGER,
            model=TEXT,
            choices=_list({"allOf": [CHOICE, _object(text=TEXT)]}),
            usage=_ref("Usage"),
        ),
    },
    "MessageRequest": {
        **ANTHROPIC,
        **_object(
            ("model", "messages", "max_tokens"),
            model=MODEL,
            messages=_list(ANTHROPIC),
            max_tokens={"type": "integer", "minimum": 1},
            stream={"type": "boolean", "default": False},
        ),
    },
    "AnthropicMessage": {
        **ANTHROPIC,
        **_object(
            id=TEXT,
            type=TEXT,
            role=TEXT,
            model=TEXT,
            content=_list(ANTHROPIC),
            stop_reason={"type": "string", "nullable": True},
            usage=ANTHROPIC,
        ),
    },
    "CountTokensRequest": {
        **ANTHROPIC,
        **_object(("model", "messages"), model=MODEL, messages=_list(ANTHROPIC)),
    },
    "CountTokens": _object(input_tokens=INTEGER),
    "AnthropicError": _object(
        type=TEXT,
        error=_object(type=TEXT, message=TEXT),
    ),
    "ResponseRequest": {
        **OPENAI,
        "description": "As of OpenAI's API. Responses are not stored.",
        **_object(
            ("model", "input"),
            model=MODEL,
            input={"oneOf": [TEXT, _list({"type": "object"})]},
            instructions=TEXT,
            max_output_tokens={"type": "integer", "minimum": 1},
            stream={"type": "boolean", "default": False},
        ),
    },
    "Response": {
        **OPENAI,
        **_object(
            id=TEXT,
            object=TEXT,
            created_at=INTEGER,
            status=TEXT,
            model=TEXT,
            output=_list({"type": "object"}),
            usage={"type": "object", "nullable": True},
        ),
    },
    "Transcription": {**OPENAI, **_object(text=TEXT)},
    "TranscriptionRequest": _object(
        ("model", "file"),
        model=MODEL,
        file={"type": "string", "format": "binary"},
        language=TEXT,
        prompt=TEXT,
        response_format={"type": "string", "enum": ["json", "verbose_json"]},
        temperature={"type": "number", "minimum": 0, "maximum": 1},
        stream={"type": "boolean", "default": False},
    ),
    "RerankRequest": _object(
        ("model", "query", "documents"),
        model=MODEL,
        query=TEXT,
        documents=_list(TEXT),
        top_n=INTEGER,
    ),
    "Rerank": {
        **OPENAI,
        **_object(
            results=_list(_object(index=INTEGER, relevance_score={"type": "number"})),
            usage=_ref("Usage"),
        ),
    },
    "ScoreRequest": {
        "description": (
            "One of the pairs `text_1` and `text_2`, `queries` and `documents`,"
            " `queries` and `items`, `data_1` and `data_2`."
        ),
        **_object(("model",), model=MODEL, text_1=STOP, text_2=STOP),
        "additionalProperties": True,
    },
    "Score": {
        **OPENAI,
        **_object(
            data=_list(_object(index=INTEGER, score={"type": "number"})),
            usage=_ref("Usage"),
        ),
    },
    "TokenizeRequest": _object(
        ("model", "prompt"),
        model=MODEL,
        prompt=TEXT,
        add_special_tokens={"type": "boolean", "default": True},
    ),
    "Tokenize": {**OPENAI, **_object(count=INTEGER, tokens=_list(INTEGER))},
    "ModelList": _object(
        object=TEXT, data=_list(_object(id=TEXT, object=TEXT, created=INTEGER))
    ),
    "OpenAIError": _object(
        error=_object(
            message=TEXT,
            type=TEXT,
            code={"type": "string", "nullable": True},
            param={"type": "string", "nullable": True},
        )
    ),
}
ERRORS = {
    "400": "The request is not valid.",
    "401": "No token, or one that is not valid.",
    "403": "The user may not use models.",
    "404": "There is no such model.",
    "409": "The model is stopped.",
    "503": "The model is starting or waits for resources; see Retry-After.",
}
ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "id, name or alias of a model",
    "schema": TEXT,
}


def add_gateway(result: Schema, **_: Any) -> Schema:
    result["components"]["schemas"].update(SCHEMAS)
    generate = _post("generate", "Generate text", "Generate", "Error")
    generate["parameters"] = [ID]
    chat = _post("chat_completions", "Chat completion", "ChatCompletion", "OpenAIError")
    complete = _post("completions", "Completion", "Completion", "OpenAIError")
    response = _post("responses", "Response", "Response", "OpenAIError")
    transcribe = _post(
        "transcriptions", "Transcribe speech", "Transcription", "OpenAIError"
    )
    form = transcribe["requestBody"]["content"].pop("application/json")
    transcribe["requestBody"]["content"]["multipart/form-data"] = form
    message = _post("messages", "Message", "Message", "AnthropicError")
    message["responses"]["200"]["content"]["application/json"] = {
        "schema": _ref("AnthropicMessage")
    }
    count = _whole(
        "count_tokens", "Tokens of a message", "CountTokens", "AnthropicError"
    )
    models = _operation("list_usable_models", "Models to send requests to")
    models["responses"] = {
        "200": _content("ModelList"),
        **_errors("OpenAIError", "401", "403"),
    }
    result["paths"] |= {
        "/api/models/{id}/generate": {"post": generate},
        "/v1/chat/completions": {"post": chat},
        "/v1/completions": {"post": complete},
        "/v1/messages": {"post": message},
        "/v1/messages/count_tokens": {"post": count},
        "/v1/responses": {"post": response},
        "/v1/audio/transcriptions": {"post": transcribe},
        "/v1/rerank": {"post": _whole("rerank", "Rank documents", "Rerank")},
        "/v1/score": {"post": _whole("score", "Score pairs of texts", "Score")},
        "/v1/tokenize": {"post": _whole("tokenize", "Tokens of a text", "Tokenize")},
        "/v1/models": {"get": models},
    }
    return result


def _operation(name: str, summary: str) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["inference"],
        "security": [{"token": []}],
    }


def _post(name: str, summary: str, kind: str, error: str) -> Schema:
    """With `"stream": true` the response is a stream of server-sent events."""
    response = _content("GenerateResponse" if kind == "Generate" else kind)
    response["content"]["text/event-stream"] = {"schema": TEXT}
    return {
        **_operation(name, summary),
        "requestBody": {
            "required": True,
            **_content(f"{kind}Request", description=None),
        },
        "responses": {"200": response, **_errors(error, *ERRORS)},
    }


def _whole(name: str, summary: str, kind: str, error: str = "OpenAIError") -> Schema:
    """Only with engines that have it; never a stream."""
    return {
        **_operation(name, summary),
        "requestBody": {
            "required": True,
            **_content(f"{kind}Request", description=None),
        },
        "responses": {"200": _content(kind), **_errors(error, *ERRORS)},
    }


def _content(schema: str, description: str | None = "") -> Schema:
    described = {} if description is None else {"description": description}
    return {**described, "content": {"application/json": {"schema": _ref(schema)}}}


def _errors(schema: str, *statuses: str) -> Schema:
    return {status: _content(schema, ERRORS[status]) for status in statuses}
