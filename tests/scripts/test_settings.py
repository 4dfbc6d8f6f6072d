"""Settings that are given to a deployment stay for the next one."""

import ast
import os
import re
import subprocess

import pytest

from llmplatform.environment import Environment
from tests.scripts.deployed import ROOT

# PATH is the shell's, a deployment always sets DEBUG=0, FAILPOINT is for tests.
NOT_KEPT = {"PATH", "DEBUG", "FAILPOINT"}


def names_read():
    """Of the environment, by llmplatform/settings.py."""
    tree = ast.parse((ROOT / "llmplatform/settings.py").read_text())
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")),
                args=[ast.Constant(value=name), *_],
            ):
                yield name
            case ast.Call(func=ast.Attribute(attr="secret_key")):
                yield "SECRET_KEY"


def in_shell(command, data_dir, **env):
    return subprocess.run(
        ["bash", "-euc", f". scripts/lib.sh; {command}"],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": "/", "DATA_DIR": str(data_dir), **env},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def data_dir(tmp_path):
    (tmp_path / "platform.env").touch()
    return tmp_path


def kept(data_dir):
    lines = (data_dir / "platform.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_list_of_kept_settings_is_that_of_the_settings_file(tmp_path):
    listed = in_shell('printf "%s\\n" "${SETTINGS[@]}"', tmp_path).split()
    assert sorted(listed) == sorted(set(names_read()) - NOT_KEPT)


def test_every_kept_setting_is_documented():
    documented = (ROOT / "docs/operations.md").read_text()
    names = set(names_read()) - NOT_KEPT
    assert {n for n in names if not re.search(rf"\b{n}\b", documented)} == set()


def test_given_settings_are_kept_at_the_next_plain_deployment(data_dir):
    given = {name: f"{name} = 1" for name in set(names_read()) - NOT_KEPT}
    in_shell("keep_settings", data_dir, **given)
    in_shell("keep_settings", data_dir)
    assert kept(data_dir) == given


def test_setting_in_a_file_is_kept(data_dir):
    secret = data_dir / "token"
    secret.write_text("hf_1\n")
    in_shell("keep_settings", data_dir, HF_TOKEN_FILE=str(secret))
    in_shell("keep_settings", data_dir)
    assert kept(data_dir) == {"HF_TOKEN_FILE": str(secret)}
    variables = {"DATA_DIR": str(data_dir)}
    assert Environment(variables, ROOT).text("HF_TOKEN") == "hf_1"
    given = Environment({**variables, "HF_TOKEN": "hf_2"}, ROOT)
    assert given.text("HF_TOKEN") == "hf_2"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"HF_TOKEN": "hf_1"}, {"HF_TOKEN_FILE": "/token"}),
        ({"HF_TOKEN_FILE": "/token"}, {"HF_TOKEN": "hf_1"}),
        ({"HTTPS": "1"}, {"HTTPS": "0"}),
    ],
)
def test_last_value_of_a_setting_wins(data_dir, first, second):
    in_shell("keep_settings", data_dir, **first)
    in_shell("keep_settings", data_dir, **second)
    assert kept(data_dir) == second
