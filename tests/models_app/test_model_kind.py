"""The kind of a model, and the settings that it needs, follow from its files."""

import pytest

from models_app.models import Activity, ServedModel
from tests.api import operator, send
from tests.builders import a_model
from tests.gguf import LLAMA, a_gguf
from tests.hf import a_folder
from tests.models_app.model_form import filled
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

ADMIN = "/admin/models_app/servedmodel/"
HEADERS = {
    "embedding": {**LLAMA, "llama.pooling_type": 1},
    "chat": {**LLAMA, "tokenizer.chat_template": "{{ x }}"},
    "completion": LLAMA,
}
EMBEDDING = {"embedding": True}


@pytest.fixture(autouse=True)
def root(settings, tmp_path):
    settings.MODEL_ROOTS = [tmp_path]
    return tmp_path


@pytest.fixture
def config_of(root):
    """The least config of a model of this kind."""

    def config_of(kind, **more):
        path = root / f"{kind}.gguf"
        path.write_bytes(a_gguf(HEADERS[kind]))
        return {"model_path": str(path), **more}

    return config_of


def create(config, **fields):
    body = {"name": "smol", "framework": "llama.cpp", "config": config, **fields}
    answer = send(operator(), "POST", "/api/models", body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def patch(client, model, **fields):
    answer = send(client, "PATCH", f"/api/models/{model.name}", fields)
    assert answer.status_code == 200, answer.content
    return answer.json()


CASES = [
    ("embedding", {}, EMBEDDING),
    ("embedding", EMBEDDING, EMBEDDING),
    ("embedding", {"embedding": False}, {"embedding": False}),
    ("chat", {}, {}),
    ("chat", EMBEDDING, EMBEDDING),
    ("completion", {}, {}),
]


@pytest.mark.parametrize(("kind", "given", "expected"), CASES)
def test_created_model_has_its_kind_and_what_that_needs(
    config_of, kind, given, expected
):
    made = create(config_of(kind, **given))
    assert (made["model_kind"], made["config"]) == (kind, config_of(kind, **expected))


@pytest.mark.parametrize(("kind", "given", "expected"), CASES)
def test_edited_model_has_its_kind_and_what_that_needs(
    config_of, kind, given, expected
):
    model = a_model(config=config_of("chat", n_ctx=512))
    made = patch(operator(), model, config=config_of(kind, **given))
    assert (made["model_kind"], made["config"]) == (kind, config_of(kind, **expected))


@pytest.mark.parametrize("exists", [True, False])
def test_form_adds_what_an_embedding_model_needs(config_of, exists):
    url = f"{ADMIN}add/"
    if exists:
        url = f"{ADMIN}{a_model(config=config_of('chat')).pk}/change/"
    answer = client_as("operator").post(url, filled(config_of("embedding")))
    assert answer.status_code == 302
    model = ServedModel.objects.get()
    assert model.model_kind == "embedding"
    assert model.config == config_of("embedding", embedding=True)


def test_setting_of_an_embedding_model_returns_when_it_is_left_out(config_of):
    config = config_of("embedding", embedding=True)
    model = a_model(config=config, model_kind="embedding")
    made = patch(operator(), model, config=config_of("embedding"))
    assert made["config"] == config
    assert not Activity.objects.exists()


def test_kind_cannot_be_set(config_of):
    assert create(config_of("chat"), model_kind="embedding")["model_kind"] == "chat"


@pytest.mark.parametrize(
    ("given", "level"), [({}, "ok"), (EMBEDDING, "ok"), ({"embedding": False}, "error")]
)
def test_preflight_of_a_draft_expects_what_saving_adds(config_of, given, level):
    body = {"framework": "llama.cpp", "config": config_of("embedding", **given)}
    answer = send(operator(), "POST", "/api/models/preflight", body)
    levels = {each["name"]: each["level"] for each in answer.json()["findings"]}
    assert levels["config"] == level


def test_kind_stays_known_when_the_file_is_gone(root, config_of):
    config = config_of("embedding", embedding=True)
    model = a_model(config=config, model_kind="embedding")
    a_model("other")
    (root / "embedding.gguf").unlink()
    client = operator()
    patch(client, model, description="Its file is gone.", config=config)
    rows = client.get("/api/models").json()["results"]
    assert [row["model_kind"] for row in rows] == [None, "embedding"]


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Model kind: Embedding"), ("zh-hans", "模型类型：嵌入")],
)
def test_page_of_a_model_shows_its_kind(language, text):
    model = a_model(model_kind="embedding")
    page = client_as("viewer").get(
        f"{ADMIN}{model.pk}/change/", headers={"Accept-Language": language}
    )
    assert text in page.content.decode()


def test_vllm_needs_no_setting_for_embeddings(root, settings):
    settings.ENGINES_DIR = root / "engines"
    config = {"model_name": str(a_folder(root / "bert", architectures=["BertModel"]))}
    made = create(config, framework="vllm", force=True)
    assert (made["model_kind"], made["config"]) == ("embedding", config)
