"""An embedding model: created through the API, launched, and used through the gateway
in front of a real engine."""

import openai
import pytest

from gateway.routes.loader import load
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from runtimes.registry import driver, framework
from runtimes.supervision.launch import launch
from tests.api import operator, send
from tests.builders import a_run
from tests.engine_http import connection_to
from tests.engines.test_gateway import gateway_to
from tests.environment import DATA_DIR
from tests.gateway.client import CHAT, TOKEN, fetch, serving
from tests.gguf import WIDTH, a_bert
from tests.runtimes.processes import until

pytestmark = [pytest.mark.engine, pytest.mark.django_db]

EMBED = "/v1/embeddings"
TEXTS = ["the red cat sleeps", "blue", "a dog runs in the house"]
# Each token of the vocabulary is a word, between [CLS] and [SEP]
TOKENS = [6, 3, 8]


@pytest.fixture
def run():
    """Ready; its model was created with nothing but the path of its file."""
    path = DATA_DIR / "models" / "bert.gguf"
    path.write_bytes(a_bert())
    body = {"name": "bert", "framework": "llama.cpp"}
    answer = send(
        operator(), "POST", "/api/models", {**body, "config": {"model_path": str(path)}}
    )
    assert answer.status_code == 201, answer.content
    ServedModel.objects.update(status="running", desired_state="running", generation=1)
    run = a_run(ServedModel.objects.get(), port=None)
    launch(run.uid)
    run.refresh_from_db()
    engines = driver("process")
    handle = engines.find(run.uid)
    until(lambda: is_ready(run) or not engines.observe(handle).alive, seconds=120)
    assert is_ready(run), engines.tail(run.uid)
    Run.objects.update(state=RunState.READY)
    yield run
    engines.kill(handle)
    until(lambda: not engines.observe(handle).alive)


def is_ready(run):
    connection = connection_to(run.socket, 0)
    try:
        connection.request("GET", framework(run.framework).ready_path(run.config))
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def routes(run):
    return load().by_id.values()


@pytest.fixture
async def gateway(routes):
    async with gateway_to(*routes) as gateway:
        yield gateway


async def embed(gateway, **body):
    response = await fetch(gateway, "POST", EMBED, {"model": "bert", **body})
    assert response.status == 200, response.content
    return response.json


async def test_embedding_model_serves_embeddings_and_nothing_else(gateway):
    singles = [await embed(gateway, input=text) for text in TEXTS]
    vectors = [answer["data"][0]["embedding"] for answer in singles]
    assert [len(vector) for vector in vectors] == [WIDTH] * len(TEXTS)
    assert [answer["usage"]["prompt_tokens"] for answer in singles] == TOKENS

    together = await embed(gateway, input=TEXTS)
    assert [each["index"] for each in together["data"]] == [0, 1, 2]
    for each, vector in zip(together["data"], vectors, strict=True):
        assert each["embedding"] == pytest.approx(vector, abs=1e-3)
    assert vectors[0] != pytest.approx(vectors[1], abs=0.01)
    assert together["usage"] == {
        "prompt_tokens": sum(TOKENS),
        "total_tokens": sum(TOKENS),
    }

    messages = [{"role": "user", "content": "Hi"}]
    for path, body in (
        (CHAT, {"messages": messages}),
        ("/v1/completions", {"prompt": "Hi"}),
    ):
        refused = await fetch(gateway, "POST", path, {"model": "bert", **body})
        error = refused.json["error"]
        assert (refused.status, error["code"]) == (400, "only_embeddings")
        assert EMBED in error["message"]


async def test_openai_package_embeds_a_batch(gateway):
    numbers = await embed(gateway, input=TEXTS)
    async with (
        serving(gateway) as (host, port),
        openai.AsyncOpenAI(
            base_url=f"http://{host}:{port}/v1", api_key=TOKEN
        ) as client,
    ):
        answer = await client.embeddings.create(model="bert", input=TEXTS)
    # It requests base64.
    for each, number in zip(answer.data, numbers["data"], strict=True):
        assert each.embedding == pytest.approx(number["embedding"], abs=1e-6)
    assert answer.usage.prompt_tokens == sum(TOKENS)
