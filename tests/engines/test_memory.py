"""The estimate, held against what a real engine takes."""

import psutil
import pytest

from tests.engines.client import LLAMA, Engine

pytestmark = pytest.mark.engine

MIB = 2**20
QUANTISED = {"extra_args": {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}}


@pytest.mark.parametrize(
    ("n_ctx", "n_parallel", "more"),
    [(2048, 1, {}), (8192, 1, {}), (2048, 4, {}), (8192, 4, {}), (8192, 4, QUANTISED)],
)
def test_engine_takes_what_was_estimated(driver, model, n_ctx, n_parallel, more):
    sizes = {"n_ctx": n_ctx, "n_parallel": n_parallel}
    config = {"model_path": str(model), **sizes, **more}
    engine = Engine(driver, config)
    engine.wait_until_ready()
    assert engine.chat("word " * 1500, max_tokens=4)[0] == 200
    taken = psutil.Process(engine.handle.engine_pid).memory_info().rss / MIB
    driver.kill(engine.handle)
    host = LLAMA.memory(config, gpu_count=0).host
    assert host.total_mib - host.prompt_cache_mib == pytest.approx(taken, rel=0.15)
