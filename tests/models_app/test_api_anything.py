"""Whatever is sent, the answer is one of those promised: never an internal error."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_app.models import ServedModel
from tests.api import a_body, operator, send
from tests.builders import a_model

pytestmark = pytest.mark.django_db

ANYTHING = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(), max_size=20)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from([*a_body(), "tags", "description", "gpu_count", "cpu_cores"])
CONFIG = st.sampled_from(
    ["model_path", "n_ctx", "top_p", "chat_template", "extra_args"]
)
BODY = st.fixed_dictionaries(
    {}, optional={"config": st.dictionaries(CONFIG | TEXT, VALUE, max_size=4)}
)
QUERY = st.sampled_from(
    ["status", "framework", "tag", "search", "ordering", "page", "page_size", "x"]
)


@pytest.fixture
def model():
    return a_model(config=a_body()["config"])


@pytest.fixture
def client(model):
    return operator()


@ANYTHING
@given(odd=st.dictionaries(FIELDS | TEXT, VALUE, max_size=3), config=BODY)
def test_any_body(client, model, odd, config):
    answers = [
        send(client, "POST", "/api/models", {**a_body("new"), **config, **odd}),
        send(client, "PATCH", f"/api/models/{model.pk}", {**config, **odd}),
    ]
    for answer in answers:
        assert answer.status_code in (200, 201, 400)
        assert answer.json().keys() & {"id", "code"}
    ServedModel.objects.exclude(pk=model.pk).delete()


@ANYTHING
@given(query=st.dictionaries(QUERY, TEXT.map(lambda t: t.encode("utf8", "replace"))))
def test_any_query(client, query):
    for path in ("/api/models", "/api/models/smol/activity", "/api/models/smol/logs"):
        assert client.get(f"{path}?{urlencode(query)}").status_code in (200, 400, 404)
