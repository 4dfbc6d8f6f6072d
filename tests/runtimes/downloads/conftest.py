import random

import pytest

from tests.runtimes.downloads.fake_hubs import Hub

REPO = "own/tiny"


@pytest.fixture(scope="session")
def weights():
    return random.Random(7).randbytes(3 * 2**20)


@pytest.fixture
def hub(weights):
    files = {
        "README.md": b"# tiny\n",
        "config.json": b"{}",
        "empty.txt": b"",
        "parts/tiny-Q4_K_M.gguf": weights,
        "tiny-Q8_0.gguf": weights[::-1],
    }
    with Hub({REPO: files}) as hub:
        yield hub


@pytest.fixture
def root(settings, hub, tmp_path):
    """The only model folder; both hubs are the one on loopback."""
    settings.MODEL_ROOTS = [tmp_path]
    settings.HUBS = dict.fromkeys(settings.HUBS, (hub.url, ""))
    settings.DOWNLOAD_RESERVE_MIB = 0
    return tmp_path
