"""The examples on the page of a new token, run as they stand."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.routes.loader import load
from models_app.enums import RunState, Status
from tests.builders import a_model, a_run
from tests.engines.test_gateway import replica_of
from tests.gateway.client import serving
from tests.models_app.admin.test_token_examples import code_of, create

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]


@pytest.fixture
async def url(engine, settings):
    """Of a gateway that knows the tokens and models of the database, in front of a real
    engine."""

    async def load_with_engine():
        table = await sync_to_async(load)()
        routes = {
            name: replace(route, replicas=(replica_of(engine),))
            for name, route in table.by_name.items()
        }
        return replace(table, by_name=routes)

    subscription = Subscription(settings.REDIS_URL)
    gateway = Gateway(load_with_engine, subscription, Timing(unknown_token_gap_s=0.01))
    async with serving(gateway) as (host, port):
        settings.PUBLIC_URL = f"http://{host}:{port}"
        yield settings.PUBLIC_URL
    await gateway.close()
    await subscription.close()


def a_page():
    """Of a token that may use one model, which is running."""
    other, smol = (
        a_model(name, status=Status.RUNNING, desired_state="running")
        for name in ("another", "smol")
    )
    for model in (other, smol):
        a_run(model, RunState.READY)
    return create(models=[smol])


async def output_of(*argv):
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_examples_of_a_new_token_print_an_answer(url, node_folder, tmp_path):
    code = code_of(await sync_to_async(a_page)())
    (tmp_path / "example.py").write_text(code["python"])
    (node_folder / "example.mjs").write_text(code["javascript"])
    completion = json.loads(await output_of("bash", "-c", code["curl"]))
    assert completion["model"] == "smol"
    answers = [
        completion["choices"][0]["message"]["content"],
        await output_of(sys.executable, tmp_path / "example.py"),
        await output_of("node", node_folder / "example.mjs"),
    ]
    assert all(answer.strip() for answer in answers)
    assert all(url in program for program in code.values())
