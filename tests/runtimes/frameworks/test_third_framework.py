"""A framework that is added by settings.FRAMEWORKS alone, from the form to the end."""

import asyncio
import json

import pytest
from django.conf import settings as django_settings

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.loader import load
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from monitoring.monitor import Monitor
from runtimes.library.cache import find_entry
from runtimes.library.new_model import new_model
from runtimes.registry import driver
from runtimes.supervision.launch import launch
from scheduling.context_sizes import smaller_contexts
from scheduling.tasks import tick
from tests.api import client_of, codes, send
from tests.builders import a_token, a_user
from tests.gateway.client import fetch
from tests.models_app.people import client_as
from tests.runtimes.processes import kill_owned, until

pytestmark = pytest.mark.django_db(transaction=True)

FORM = "/admin/models_app/servedmodel/add/"


@pytest.fixture(autouse=True)
def _echo(settings):
    place = "tests.runtimes.frameworks.echo.framework.Echo"
    settings.FRAMEWORKS = {**settings.FRAMEWORKS, "echo": place}


@pytest.fixture
def path(settings, tmp_path):
    settings.MODEL_ROOTS = [tmp_path]
    path = tmp_path / "hello.echo"
    path.write_text("Hello,\n")
    return str(path)


@pytest.fixture
def client():
    return client_of(a_user("operator"))


@pytest.fixture
def monitor():
    monitor = Monitor()
    yield monitor
    monitor.close()
    kill_owned(driver("process"))


def body(path, **config):
    return {
        "name": "hello",
        "framework": "echo",
        "config": {"greeting_file": path, **config},
    }


def test_config_is_checked_by_the_framework(client, path):
    def refused(**config):
        return codes(send(client, "POST", "/api/models", body(path, **config)))

    assert refused(window=0) == [("config.window", "out_of_range")]
    assert refused(n_ctx=512) == [("config.n_ctx", "unknown_key")]
    assert refused(greeting_file="/etc/hello.echo") == [
        ("config.greeting_file", "path_outside_roots")
    ]


def test_form_offers_the_framework_and_its_keys(path):
    client = client_as("operator")
    page = client.get(FORM).content.decode()
    assert "echo: <code>greeting_file window delay_s temperature top_p</code>" in page
    fields = {
        "name": "hello", "framework": "echo", "driver": "process",
        "config": json.dumps({"greeting_file": path}), "tags": "",
        "gpu_count": 0, "gpu_memory_mib": 0, "memory_mib": 0, "cache_ttl_s": 0,
        "priority": 5, "replicas": 1,
    }  # fmt: skip
    assert client.post(FORM, fields).status_code == 302
    assert ServedModel.objects.get().framework == "echo"


def test_preflight_and_estimate_use_the_framework(client, path, monitor):
    monitor.step()  # writes down this machine
    answer = send(client, "POST", "/api/models/preflight", body(path, window=2048))
    lines = {each["name"]: each for each in answer.json()["findings"]}
    assert answer.json()["ok"]
    assert path in lines["path"]["message"]
    assert lines["format"]["message"].startswith("greeting")
    assert lines["engine"]["message"].startswith("echo ")
    assert lines["config"]["message"].startswith("window is 2048")
    answer = send(client, "POST", "/api/models/estimate", body(path, window=1024))
    estimate = answer.json()["estimate"]
    assert (estimate["n_ctx"], estimate["host"]["total_mib"]) == (1024, 32)


def test_library_finds_its_files(path):
    fields = new_model(find_entry(path))
    assert (fields["name"], fields["framework"]) == ("hello", "echo")
    assert fields["config"] == {"greeting_file": path, "window": 256}
    assert fields["memory_mib"] == 20


def test_smaller_contexts_are_offered_under_its_own_key(client, path):
    send(client, "POST", "/api/models", body(path, window=2048))
    contexts = smaller_contexts(ServedModel.objects.get())
    assert [context.n_ctx for context in contexts] == [2048, 1024, 512]


def test_model_runs_serves_logs_and_stops(client, path, monitor):
    created = send(client, "POST", "/api/models", body(path, temperature=0.5))
    assert created.status_code == 201
    monitor.step()
    assert send(client, "POST", "/api/models/hello/start", {}).status_code == 202
    tick()
    run = Run.objects.get()
    launch(run.uid)
    until(lambda: state_after_a_step(monitor, run) == RunState.READY)
    assert chat() == "Hello, world"
    written = [f"echo: serving {path}", "echo: chat at temperature 0.5"]
    until(lambda: lines_of_the_log(client) == written)
    send(client, "POST", "/api/models/hello/stop", {})
    until(lambda: state_after_a_step(monitor, run) == RunState.ENDED)
    assert run.end_code == "stopped"
    until(lambda: driver("process").owned() == {})


def state_after_a_step(monitor, run):
    """Of the two roles that look after a run."""
    monitor.step()
    tick()
    run.refresh_from_db()
    return run.state


def lines_of_the_log(client):
    return client.get("/api/models/hello/logs").json()["text"].splitlines()


def chat():
    """Through the gateway, as a client of the OpenAI API."""
    token, table = a_token(a_user("operator", "ann")), load()

    async def through_gateway():
        async def loaded():
            return table

        subscription = Subscription(django_settings.REDIS_URL)
        gateway = Gateway(loaded, subscription)
        messages = [{"role": "user", "content": "world"}]
        chat = {"model": "hello", "messages": messages}
        answer = await fetch(gateway, "POST", "/v1/chat/completions", chat, token=token)
        await gateway.close()
        await subscription.close()
        assert answer.status == 200
        return answer.json["choices"][0]["message"]["content"]

    return asyncio.run(through_gateway())
