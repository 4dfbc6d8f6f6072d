"""Examples on the page of a new token. tests/engines runs them."""

import ast
import json
import re
import shlex
from html import unescape

import pytest

from common.enums import ModelKind
from models_app.enums import RunState, Status
from models_app.tokens.examples import examples, gateway_url
from tests.builders import a_model, a_run, a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

ADD = "/admin/models_app/apitoken/add/"
BLOCK = re.compile(r'<pre[^>]* id="example-(\w+)">(.*?)</pre>', re.DOTALL)


def create(user=None, models=(), scopes=(), **options):
    user = user or a_user("operator", name="robot")
    form = {"user": user.pk, "name": "ci", "days": 30, "scopes": scopes}
    form["allowed_models"] = [model.pk for model in models]
    return client_as("admin").post(ADD, form, **options)


def code_of(page):
    return {name: unescape(code) for name, code in BLOCK.findall(page.content.decode())}


def named(page):
    """The model that all examples name."""
    name = code_of(page)["curl"].partition('"model": "')[2].partition('"')[0]
    assert all(f'"{name}"' in code for code in code_of(page).values())
    return name


def test_examples_have_url_token_and_model():
    a_model("smol")
    page = create(headers={"host": "localhost:3000"})
    assert list(code_of(page)) == ["curl", "python", "javascript"]
    for code in code_of(page).values():
        assert "http://localhost:8000/v1" in code
        assert page.context["secret"] in code
    assert named(page) == "smol"


def running(name, kind=ModelKind.CHAT):
    model = a_model(name, status=Status.RUNNING, desired_state="running")
    a_run(model, RunState.READY, model_kind=kind)
    return model


@pytest.mark.parametrize(
    ("allowed", "name"),
    [
        ([], "big"),
        (["big"], "big"),
        (["also"], "also"),
        (["also", "smol"], "smol"),
        (["embed"], "MODEL"),
        (["also", "embed"], "also"),
    ],
)
def test_model_is_one_that_generates_preferably_running(allowed, name):
    models = {
        "also": a_model("also"),
        "big": running("big"),
        "embed": running("embed", ModelKind.EMBEDDING),
        "smol": running("smol"),
    }
    page = create(models=[models[each] for each in allowed])
    assert named(page) == name
    text = page.content.decode()
    assert ("is not running now" in text) == (name == "also")
    assert ("Replace MODEL" in text) == (name == "MODEL")


@pytest.mark.parametrize(
    ("group", "scopes", "shown"),
    [
        ("operator", [], True),
        ("operator", ["inference"], True),
        ("operator", ["inference", "metrics"], True),
        ("operator", ["read", "manage", "metrics"], False),
        ("viewer", [], False),
    ],
)
def test_only_tokens_for_inference_have_examples(group, scopes, shown):
    page = create(a_user(group, name="robot"), scopes=scopes)
    assert page.status_code == 200
    assert bool(code_of(page)) == shown
    assert page.context["secret"] in page.content.decode()


@pytest.mark.parametrize(
    ("page", "public", "prefix", "url"),
    [
        ("http://localhost:3000", "", "", "http://localhost:8000"),
        ("http://10.1.2.3:3000", "", "/llm", "http://10.1.2.3:8000/llm"),
        ("https://[::1]:3000", "", "", "https://[::1]:8000"),
        ("https://llm.example.com", "", "", "https://llm.example.com"),
        ("http://localhost:8080", "", "/llm", "http://localhost:8080/llm"),
        ("http://a:3000", "https://b.example.com", "/llm", "https://b.example.com/llm"),
        ("http://a:3000", "http://b:3000", "", "http://b:8000"),
    ],
)
def test_url_is_that_of_the_gateway(settings, page, public, prefix, url):
    settings.WEB_PORT, settings.API_PORT = 3000, 8000
    settings.PUBLIC_URL, settings.URL_PREFIX = public, prefix
    assert gateway_url(page) == url


@pytest.mark.parametrize("model", ["a/b.c_d-1", "it's", 'a "b" $c `d` \\e', "模型"])
def test_any_name_is_quoted(model):
    code = {each.language: each.code for each in examples("http://a", "t", model)}
    body = json.loads(shlex.split(code["curl"].replace("\\\n", ""))[-1])
    assert body["model"] == model
    calls = [n for n in ast.walk(ast.parse(code["python"])) if isinstance(n, ast.Call)]
    arguments = {k.arg: k.value for call in calls for k in call.keywords}
    assert ast.literal_eval(arguments["model"]) == model
    line = next(li for li in code["javascript"].splitlines() if "  model:" in li)
    assert json.loads(line.partition("model: ")[2].removesuffix(",")) == model
