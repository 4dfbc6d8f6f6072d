"""The estimate, held against what real engines take: beside the configurations of
test_contract.py, which are small but of every engine."""

import pytest

from tests.engines.builds import here
from tests.engines.client import Engine
from tests.engines.memory import taken_mib

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

QUANTISED = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
SIZES = {
    "xllamacpp": [
        {"n_ctx": 2048, "n_parallel": 1},
        {"n_ctx": 8192, "n_parallel": 1},
        {"n_ctx": 2048, "n_parallel": 4},
        {"n_ctx": 8192, "n_parallel": 4},
        {"n_ctx": 8192, "n_parallel": 4, "extra_args": QUANTISED},
    ],
    "llama-cpp-python": [
        {"n_ctx": 1024},
        {"n_ctx": 8192, "extra_args": {"flash_attn_type": "on"}},
        {"n_ctx": 8192, "extra_args": {"flash_attn_type": "on", **QUANTISED}},
    ],
}


def pytest_generate_tests(metafunc):
    cases = [(build, more) for build in here() for more in SIZES.get(build.name, ())]
    ids = [f"{build.name}/{'/'.join(map(str, more.values()))}" for build, more in cases]
    metafunc.parametrize(("build", "more"), cases, ids=ids)


def test_engine_takes_what_was_estimated(driver, model, build, more):
    config = {**build.config(build.served(model)), **more}
    host = build.rules.memory(config, gpu_count=0).host
    # Which is also what it may take
    engine = Engine(
        driver,
        config,
        rules=build.rules,
        program=build.program,
        memory_mib=host.total_mib,
    )
    engine.wait_until_ready()
    assert engine.chat("word " * 700, max_tokens=4)[0] == 200
    taken = taken_mib(engine.handle.engine_pid)
    assert driver.observe(engine.handle).alive
    driver.kill(engine.handle)
    assert host.total_mib - host.prompt_cache_mib == pytest.approx(taken, rel=0.15)
