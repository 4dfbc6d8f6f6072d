"""The whole REST API against its schema, as users of each role see it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines.client import a_free_port
from tests.engines.test_history import listens
from tests.faults.forkserver import ROOT
from tests.faults.installation import Installation

FOLDER = Path(__file__).parent
TOKEN = """
from django.contrib.auth.models import Group, User
from models_app.models import ApiToken
user = User.objects.create_user({role!r})
user.groups.add(Group.objects.get(name={role!r}))
print(ApiToken.objects.create(user=user, name="test")[1])
"""
SCHEMATHESIS = (
    *("-m", "schemathesis.cli", "--no-color"),
    *("--config-file", str(FOLDER / "schemathesis.toml")),
    *("run", str(ROOT / "docs" / "openapi.yaml")),
    *("--seed", "1"),
    # They need an engine; the gateway's own tests have one.
    *("--exclude-path-regex", "^/v1|/generate$"),
    "--continue-on-failure",
)
# Systematic values, thousands of requests, for those who may do everything. The others
# need a few for each operation: what they send is validated alike.
EVERY_VALUE = ("--phases", "examples,coverage,fuzzing", "--max-examples", "1")
FEW_VALUES = (
    *("--phases", "examples,fuzzing", "--max-examples", "5"),
    *("--exclude-checks", "positive_data_acceptance"),
)
ROLES = {"admin": EVERY_VALUE, "operator": FEW_VALUES, "viewer": FEW_VALUES}


@pytest.fixture(scope="module")
def site():
    with Installation() as installation:
        installation.add("smol")
        yield installation


@pytest.fixture(scope="module")
def port(site):
    port = a_free_port()
    server = ["-m", "uvicorn", "--port", str(port), "llmplatform.asgi:application"]
    site.start_process("api", [sys.executable, *server])
    site.until(lambda: listens(port))
    return port


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ROLES)
def test_responses_match_the_schema(site, port, role, tmp_path):
    token = site.python(TOKEN.format(role=role)).strip()
    target = [
        f"--url=http://127.0.0.1:{port}",
        f"--header=Authorization: Bearer {token}",
    ]
    done = subprocess.run(
        [sys.executable, *SCHEMATHESIS, *ROLES[role], *target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
