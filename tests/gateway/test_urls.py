import pytest

from gateway import urls


@pytest.mark.parametrize(
    ("path", "endpoint", "key"),
    [
        ("/api/models/7/generate", urls.GENERATE, "7"),
        ("/api/models/my.model-1/generate/", urls.GENERATE, "my.model-1"),
        ("/v1/chat/completions", urls.CHAT, ""),
        ("/v1/chat/completions/", urls.CHAT, ""),
        ("/v1/completions", urls.COMPLETIONS, ""),
        ("/v1/embeddings", urls.EMBEDDINGS, ""),
        ("/v1/responses", urls.RESPONSES, ""),
        ("/v1/audio/transcriptions", urls.TRANSCRIPTIONS, ""),
        ("/v1/messages", urls.MESSAGES, ""),
        ("/v1/messages/count_tokens", urls.COUNT_TOKENS, ""),
        ("/v1/rerank", urls.RERANK, ""),
        ("/v2/rerank/", urls.RERANK, ""),
        ("/v1/score", urls.SCORE, ""),
        ("/v1/tokenize", urls.TOKENIZE, ""),
        ("/tokenize", urls.TOKENIZE, ""),
        ("/v1/models", urls.MODELS, ""),
        ("/v1/models/", urls.MODELS, ""),
        ("/v1/models/smol", urls.MODEL, "smol"),
        ("/v1/models/Qwen/Qwen2.5-0.5B", urls.MODEL, "Qwen/Qwen2.5-0.5B"),
        ("/api/models/Qwen/Qwen2.5-0.5B/generate", urls.GENERATE, "Qwen/Qwen2.5-0.5B"),
        ("/v1", "", "/v1"),
        ("/v1/", "", "/v1/"),
        ("/v1/chat", "", "/v1/chat"),
        ("/v1/models/a/b", urls.MODEL, "a/b"),
    ],
)
def test_gateway_path_is_resolved(path, endpoint, key):
    assert urls.is_gateway_path(path)
    match = urls.resolve(path)
    assert (match.endpoint, match.key) == (endpoint, key)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/models",
        "/api/models/7",
        "/api/models/7/start",
        "/api/models/7/generate/x",
        "/api/models//generate",
        "/x/api/models/7/generate",
        "/v1x",
        "/v2/models",
        "/v2/rerank/x",
        "/tokenizer",
        "/admin/v1/models",
    ],
)
def test_other_paths_belong_to_django(path):
    assert not urls.is_gateway_path(path)
