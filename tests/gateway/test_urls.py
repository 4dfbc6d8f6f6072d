import pytest

from gateway import urls


@pytest.mark.parametrize(
    ("path", "name", "key"),
    [
        ("/api/models/7/generate", urls.GENERATE, "7"),
        ("/api/models/my.model-1/generate/", urls.GENERATE, "my.model-1"),
        ("/v1/chat/completions", urls.CHAT, ""),
        ("/v1/chat/completions/", urls.CHAT, ""),
        ("/v1/completions", urls.COMPLETIONS, ""),
        ("/v1/embeddings", urls.EMBEDDINGS, ""),
        ("/v1/models", urls.MODELS, ""),
        ("/v1/models/", urls.MODELS, ""),
        ("/v1/models/smol", urls.MODEL, "smol"),
        ("/v1", "", "/v1"),
        ("/v1/", "", "/v1/"),
        ("/v1/chat", "", "/v1/chat"),
        ("/v1/models/a/b", "", "/v1/models/a/b"),
    ],
)
def test_path_of_the_gateway_is_found(path, name, key):
    assert urls.takes(path)
    place = urls.find(path)
    assert (place.name, place.key) == (name, key)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/models",
        "/api/models/7",
        "/api/models/7/start",
        "/api/models/7/generate/x",
        "/api/models//generate",
        "/api/models/a/b/generate",
        "/x/api/models/7/generate",
        "/v1x",
        "/v2/models",
        "/admin/v1/models",
    ],
)
def test_other_paths_are_djangos(path):
    assert not urls.takes(path)
