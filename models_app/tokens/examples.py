"""Programs that use a new token, ready to be copied."""

from __future__ import annotations

import json
import shlex
from string import Template
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Case, Value, When

from common.enums import ModelKind
from models_app.enums import Status, TokenScope
from models_app.models import ApiToken, Run, ServedModel
from models_app.permissions import USE
from models_app.tokens.scopes import allows

PLACEHOLDER = "MODEL"
CURL = Template("""\
curl "$url/v1/chat/completions" \\
  -H "Authorization: Bearer $token" \\
  -H "Content-Type: application/json" \\
  -d $body
""")
PYTHON = Template("""\
# pip install openai
from openai import OpenAI

client = OpenAI(
    base_url="$url/v1",
    api_key="$token",
)
completion = client.chat.completions.create(
    model=$model,
    messages=[{"role": "user", "content": "Hello!"}],
)
print(completion.choices[0].message.content)
""")
JAVASCRIPT = Template("""\
// npm install openai
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "$url/v1",
  apiKey: "$token",
});
const completion = await client.chat.completions.create({
  model: $model,
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(completion.choices[0].message.content);
""")


class Example(NamedTuple):
    """language: also its id on the page."""

    language: str
    label: str
    code: str


def examples(url: str, token: str, model: str) -> list[Example]:
    """url: of the gateway, without /v1."""
    messages = [{"role": "user", "content": "Hello!"}]
    values = {
        "url": url,
        "token": token,
        "model": json.dumps(model, ensure_ascii=False),
        "body": shlex.quote(
            json.dumps({"model": model, "messages": messages}, ensure_ascii=False)
        ),
    }
    return [
        Example("curl", "curl", CURL.substitute(values)),
        Example("python", "Python", PYTHON.substitute(values)),
        Example("javascript", "JavaScript", JAVASCRIPT.substitute(values)),
    ]


def gateway_url(page: str) -> str:
    """Where programs reach the gateway, without /v1. page: origin at which a browser
    reached the pages. Behind a proxy, both have the same origin."""
    url = urlsplit(settings.PUBLIC_URL or page)
    host = url.netloc
    if url.port == settings.WEB_PORT:
        host = f"{host.rpartition(':')[0]}:{settings.API_PORT}"
    return f"{url.scheme}://{host}{settings.URL_PREFIX}"


def may_infer(token: ApiToken) -> bool:
    return token.user.has_perm(USE) and allows(token.scopes, TokenScope.INFERENCE)


def example_model(token: ApiToken) -> ServedModel | None:
    """One that generates text, preferably a running one; None if the token may use
    none."""
    models = ServedModel.objects.all() if token.any_model else token.allowed_models
    embedding = Run.objects.ready().filter(model_kind=ModelKind.EMBEDDING)
    is_running = Case(When(status=Status.RUNNING, then=Value(0)), default=Value(1))
    generating = models.exclude(pk__in=embedding.values("model"))
    return generating.order_by(is_running, "name").first()
