"""An installation in a folder of its own, with one running model per engine."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEY = secrets.token_urlsafe(32)
CONFIGS = {"llama.cpp": {"temperature": 0.7}, "vllm": {"model": "bench"}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def prepare(folder: str) -> None:
    """Settings and Django of an installation in folder."""
    for name in ("DATABASE_URL", "REDIS_URL", "DATABASE_URL_FILE"):
        os.environ.pop(name, None)
    os.environ |= {
        "DATA_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
        "LOG_LEVEL": "ERROR",
        "MAX_REQUESTS_PER_TOKEN": "1000",
        "CONNECTIONS_PER_TOKEN": "5000",
    }
    sys.path.insert(0, str(ROOT))
    import django  # noqa: PLC0415 -- settings read the environment, set before

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415

    call_command("migrate", verbosity=0)


def a_token() -> str:
    from django.contrib.auth.models import User  # noqa: PLC0415

    from models_app.models import ApiToken  # noqa: PLC0415

    user = User.objects.create_superuser("bench", password=secrets.token_urlsafe())
    return str(ApiToken.objects.create(user=user, name="bench")[1])


def a_model(name: str, framework: str, port: int) -> None:
    """Rows of a running model whose engine listens on port."""
    from models_app.models import Run, ServedModel  # noqa: PLC0415

    model = ServedModel.objects.create(
        name=name, status="running", desired_state="running", generation=1
    )
    Run.objects.create(
        model=model, generation=1, state="ready", framework=framework,
        driver="process", config=CONFIGS[framework], node=name, port=port,
        cpu_cores=1, memory_mib=0, engine_key=KEY, boot_id="x", handle={"pid": 1},
    )  # fmt: skip


@contextmanager
def program(
    port: int,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    wait_s: int = 30,
    stdin: str = "",
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs until the end of the block; waits until it listens."""
    process = subprocess.Popen(
        arguments, cwd=ROOT, env={**os.environ, **(env or {})}, stdin=subprocess.PIPE
    )
    try:
        with process.stdin as pipe:
            pipe.write(stdin.encode())
        for _ in range(wait_s * 10):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{arguments[0]} has ended"
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait()
