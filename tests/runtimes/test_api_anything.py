"""Any request, however odd, is answered as the schema says."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import administrator, send
from tests.builders import a_model, a_node
from tests.environment import DATA_DIR
from tests.gguf import a_gguf
from tests.models_app.test_api_anything import VALUE

pytestmark = pytest.mark.django_db

ANYTHING = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WHOLE = a_gguf()
PLACES = st.sampled_from(
    [str(DATA_DIR / "models" / name) for name in ("any.gguf", "gone", "", "../x")]
)
KEYS = st.sampled_from(
    ["n_ctx", "n_threads", "engine", "extra_args", "tensor_parallel_size", "dtype"]
)
CONFIG = st.dictionaries(KEYS, VALUE, max_size=2)
SIZES = st.sampled_from(["gpu_count", "gpu_memory_mib", "memory_mib", "cpu_cores"])
FRAMEWORKS = st.sampled_from([("llama.cpp", "model_path"), ("vllm", "model_name")])


@pytest.fixture
def client():
    a_node(gpus=[24_000])
    return administrator()


def findings(client, body):
    answer = send(client, "POST", "/api/models/preflight", body)
    assert answer.status_code in (200, 400)
    return answer.json().get("findings", [])


@ANYTHING
@given(
    kind=FRAMEWORKS,
    place=PLACES | VALUE,
    config=CONFIG,
    sizes=st.dictionaries(SIZES, st.integers(0, 70_000), max_size=3),
    driver=st.sampled_from(["process", "docker"]),
)
def test_any_config_and_size(client, kind, place, config, sizes, driver):
    framework, key = kind
    config = {key: place, **config}
    body = {"framework": framework, "driver": driver, "config": config, **sizes}
    for finding in findings(client, body):
        assert finding["message"]
        assert "%(" not in finding["message"] + finding["advice"]


@ANYTHING
@given(
    at=st.integers(0, len(WHOLE)),
    bytes_=st.binary(max_size=16),
    cut=st.integers(0, len(WHOLE)),
)
def test_any_damage_of_a_file(client, at, bytes_, cut):
    path = DATA_DIR / "models" / "any.gguf"
    path.write_bytes((WHOLE[:at] + bytes_ + WHOLE[at + len(bytes_) :])[: cut or None])
    body = {"framework": "llama.cpp", "config": {"model_path": str(path)}}
    assert findings(client, body)


@ANYTHING
@given(framework=VALUE, driver=VALUE, config=VALUE)
def test_any_row(client, framework, driver, config):
    """A row may be older than the settings, and written by anybody."""
    model = a_model()
    names = {"framework": str(framework)[:40], "driver": str(driver)[:40]}
    for column, value in names.items():
        if value.isprintable() and value.isascii():
            setattr(model, column, value)
    if isinstance(config, dict):
        model.config = {k: v for k, v in config.items() if k.isascii()}
    model.save()
    answer = send(client, "POST", "/api/models/preflight", {"id": model.pk})
    model.delete()
    assert answer.status_code in (200, 400)
