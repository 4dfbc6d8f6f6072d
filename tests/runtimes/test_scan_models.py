import json
import os
import subprocess
import sys

import pytest
from django.core.management import call_command

from tests import builders
from tests.gguf import a_gguf
from tests.runtimes.library.folders import a_folder, a_model, in_parts, put


@pytest.fixture
def root(settings, tmp_path):
    settings.MODEL_ROOTS = [tmp_path / "models", tmp_path / "none"]
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_command_lists_what_there_is(root, capsys):
    a_model(root / "tiny.gguf")
    a_folder(root / "hf")
    in_parts(root, 2)
    call_command("scan_models")
    output = capsys.readouterr()
    rows = [line.split() for line in output.out.splitlines()]
    assert [row[-2:] for row in rows[:3]] == [
        ["incomplete", str(root / "big-00001-of-00003.gguf")],
        ["model", str(root / "hf")],
        ["model", str(root / "tiny.gguf")],
    ]
    assert rows[2][:7] == ["llama.cpp", "llama", "1.8", "K", "Q4_K_M", "4096", "1.7"]
    assert rows[3][:5] == ["Models", "and", "files", "found:", "3"]
    assert "does not exist" in output.err
    assert f"The folder {root.parent / 'none'} does not exist." in output.err


@pytest.mark.django_db
def test_command_prints_all_as_json(root, capsys):
    path = a_model(root / "tiny.gguf")
    builders.a_model("chat", config={"model_path": str(path)})
    put(root / os.fsdecode(b"\xff.gguf"), a_gguf())
    call_command("scan_models", "--json")
    data = json.loads(capsys.readouterr().out)
    assert data["folders"] == [str(root), str(root.parent / "none")]
    assert [each["code"] for each in data["troubles"]] == ["folder_missing"]
    assert [entry["models"] for entry in data["models"]] == [["chat"], []]


def test_names_of_files_command_no_terminal(root, capsys):
    put(root / "a\x1b[2Jb.gguf", b"GGUF\x1b")
    call_command("scan_models", no_color=True)
    output = capsys.readouterr()
    assert "\x1b" not in output.out + output.err
    assert "a\ufffd[2Jb.gguf" in output.out


def test_command_works_where_there_is_no_database_yet(root, short_path):
    a_model(root / "tiny.gguf")
    done = subprocess.run(
        [sys.executable, "manage.py", "scan_models"],
        env={
            **os.environ,
            "DATA_DIR": str(short_path / "new"),
            "MODEL_ROOTS": str(root),
            "REDIS_URL": "",
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "tiny.gguf" in done.stdout
