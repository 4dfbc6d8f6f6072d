"""Traffic of a real engine through two gateways, as history has it in the end."""

import http.client
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring.history.aggregation import bucket_values
from tests.engines.client import LLAMA, a_free_port
from tests.faults.installation import Installation

pytestmark = pytest.mark.engine

ANSWERED, FAILED = 190, 10
WRITTEN_S = 1.5
COUNTED = ("requests", "errors", "refused", "cancelled", "completion_tokens")
TOKEN = """
from django.contrib.auth.models import User
from models_app.models import ApiToken
user = User.objects.create_superuser("ann")
print(ApiToken.objects.create(user=user, name="test")[1])
"""


@pytest.fixture(scope="module")
def site():
    with Installation() as installation:
        installation.start("worker", "monitor")
        installation.add("smol")
        yield installation


@pytest.fixture
def token(site):
    return site.python(TOKEN).strip()


@pytest.fixture
def gateways(site):
    """Ports of two processes."""
    ports = a_free_port(), a_free_port()
    for port in ports:
        server = ["-m", "uvicorn", "--port", str(port), "llmplatform.asgi:application"]
        site.start_process(f"api-{port}", [sys.executable, *server])
    for port in ports:
        site.until(lambda port=port: listens(port))
    return ports


def fetch(port, method, path, key, body=None):
    """The status, and what was read up to the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Connection": "close"}
    try:
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode()
    finally:
        connection.close()


def listens(port):
    try:
        return fetch(port, "GET", "/v1/models", "nobody")[0]
    except OSError:
        return None


def ask(port, token, **body):
    content = json.dumps({"prompt": "Hi", "max_tokens": 1, **body})
    return fetch(port, "POST", "/api/models/smol/generate", token, content)


def in_flight(site, run):
    return LLAMA.in_flight(site.engine_request(run, "GET", "/metrics")[1])


def totals(site):
    rows = site.rows(
        'select b."values" as text from monitoring_bucket10s b'
        " join monitoring_source s on s.id = b.source_id where s.kind = 'model'"
    )
    merged = bucket_values.merge(json.loads(row["text"]) for row in rows)
    times = merged.get("response_time", {"counts": {}})["counts"]
    counted = {name: value[2] for name, value in merged.items() if name in COUNTED}
    return {**counted, "timed": sum(times.values())}


def test_history_has_every_request_and_error_of_two_gateways_that_are_killed(
    site, gateways, token
):
    site.request("start", "smol")
    [run] = site.until_status("smol", "running")
    site.until(lambda: all(ask(port, token)[0] == 200 for port in gateways))
    time.sleep(WRITTEN_S)
    before = totals(site)

    with ThreadPoolExecutor(FAILED) as threads:
        quick = [threads.submit(ask, gateways[n % 2], token) for n in range(ANSWERED)]
        assert {each.result()[0] for each in quick} == {200}
        long = [
            threads.submit(
                ask, gateways[n % 2], token, max_tokens=400, stream=n % 3 == 0
            )
            for n in range(FAILED)
        ]
        site.until(lambda: in_flight(site, run) == FAILED)
        os.kill(site.claim(run["uid"])["engine_pid"], signal.SIGKILL)
        failed = [each.result() for each in long]
    assert all(status == 502 or "engine_failed" in shown for status, shown in failed)

    time.sleep(WRITTEN_S)
    for port in gateways:
        site.kill(f"api-{port}")
    after = totals(site)
    grown = {name: after[name] - before[name] for name in after}
    assert grown == {
        "requests": ANSWERED + FAILED,
        "errors": FAILED,
        "refused": 0,
        "cancelled": 0,
        "completion_tokens": ANSWERED,
        "timed": ANSWERED,
    }
