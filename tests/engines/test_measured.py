"""What a real engine takes, as the monitor writes it down, beside the estimate."""

import pytest

from tests.engines.client import LLAMA
from tests.faults.installation import Installation

pytestmark = pytest.mark.engine


def test_memory_of_a_running_engine_is_kept_after_it_has_ended():
    with Installation() as site:
        site.start("worker", "monitor")
        site.add("smol", n_ctx=4096)
        site.request("start", "smol")
        site.until_status("smol", "running", seconds=60)
        site.until(lambda: site.runs("smol")[0]["memory_peak_mib"], seconds=30)
        site.request("stop", "smol")
        site.until_status("smol", "stopped", seconds=60)
        [run] = site.runs("smol")
        config = {"model_path": str(site.model_path), "n_ctx": 4096}
        host = LLAMA.memory(config, gpu_count=0).host
    expected = host.total_mib - host.prompt_cache_mib
    assert run["memory_peak_mib"] == pytest.approx(expected, rel=0.15)
    assert run["gpu_peak_mib"] is None
