"""One llama.cpp server, as a program: `python -m xllamacpp_server`.

Standard input: one JSON object
    {"host", "port", "api_key", "model_name", "settings": {attribute: value}}
with settings in the names of xllamacpp's CommonParams ("n_ctx", "cpuparams.n_threads").
A host that ends in .sock is a Unix socket.
SIGTERM ends it at once, with 0 when it is serving: whoever sends it has drained the
requests. A start that fails ends it with 1 and a line "xllamacpp_server: cannot start".
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

try:
    import xllamacpp
except ImportError as error:
    sys.exit(f"xllamacpp_server: bad setting: cannot import xllamacpp: {error}")

# llama.cpp's warnings quote the request they are about; its errors are about itself.
ERRORS_ONLY = 1
# A queued request holds a thread of the HTTP server; /health must find a free one.
SPARE_HTTP_THREADS = 128
# Of get_system_info, which lists backends with whatever devices
GPU_BACKENDS = re.compile(r"\b(CUDA|ROCm) : ")
GPU_DEVICES = (1, 2)  # of ggml_backend_dev_type: with memory of their own, and without
LOG_SECONDS = 0.3


class CannotStartError(Exception):
    """The message is for the operator who reads the log."""


def main() -> None:
    spec = json.load(sys.stdin)
    try:
        require_readable(Path(spec["settings"]["model.path"]))
        require_gpus(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        if not spec["host"].endswith(".sock"):
            require_free(spec["host"], spec["port"])
        server = start(spec)
    except Exception as error:
        # llama.cpp logs from a thread of its own: its last lines, which show the
        # reason, may come a little later.
        time.sleep(LOG_SECONDS)
        leave(1, f"cannot start: {error}")
    wait_for_stop()
    leave(0, f"stopped serving on {server.listening_address}")


def wait_for_stop() -> None:
    """Any thread may get the signal, so the main thread waits for a byte. Before this
    the signal's default action ends the process: while it loads, C++ code holds the
    interpreter and no handler would run."""
    arrived, arrives = os.pipe()
    os.set_blocking(arrives, False)
    signal.set_wakeup_fd(arrives)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    os.read(arrived, 1)


def start(spec: dict[str, Any]) -> Any:
    params = params_of(spec)
    log(
        f"loading {params.model.path}: context {params.n_ctx} for {params.n_parallel}"
        f" requests at once, {params.cpuparams.n_threads} threads,"
        f" GPU layers {params.n_gpu_layers}"
    )
    started_at = time.monotonic()
    server = xllamacpp.Server(params)
    log(f"ready on {server.listening_address} in {time.monotonic() - started_at:.1f} s")
    return server


def params_of(spec: dict[str, Any]) -> Any:
    params = xllamacpp.CommonParams()
    for name, value in spec["settings"].items():
        apply(params, name, value)
    # Last, so that no setting can undo them.
    params.hostnames = [spec["host"]]
    params.port = spec["port"]
    params.reuse_port = False
    params.api_keys = [spec["api_key"]]
    params.model_alias = {spec["model_name"]}
    params.endpoint_metrics = True
    params.endpoint_slots = params.endpoint_props = params.ui = False
    params.offline = True
    # Placement has decided what goes where; fitting would load everything twice and
    # quietly move layers to the CPU.
    params.fit_params = False
    params.verbosity = ERRORS_ONLY
    params.n_threads_http = params.n_parallel + SPARE_HTTP_THREADS
    return params


def apply(params: Any, name: str, value: object) -> None:
    owner, _, attribute = name.rpartition(".")
    try:
        target = attrgetter(owner)(params) if owner else params
        getattr(target, attribute)
        setattr(target, attribute, value)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise CannotStartError(f"bad setting {name}: {error}") from error


def require_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise CannotStartError(f"cannot open model {path}: {error.strerror}") from error


def require_gpus(visible: str) -> None:
    """llama.cpp would serve from the processor instead. A build for processors may: its
    operator has been warned."""
    built_for_gpus = GPU_BACKENDS.search(xllamacpp.get_system_info())
    if not visible or not built_for_gpus:
        return
    wanted = len(visible.split(","))
    devices = xllamacpp.get_device_info()
    found = sum(int(device["type"]) in GPU_DEVICES for device in devices)
    if found < wanted:
        raise CannotStartError(f"{found} of {wanted} GPUs can be used")


def require_free(host: str, port: int) -> None:
    """Before the model is read, not after: a taken port is known at once."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = f"cannot listen on {host}:{port}: {error.strerror}"
            raise CannotStartError(message) from error


def log(text: str) -> None:
    sys.stderr.write(f"xllamacpp_server: {text}\n")
    sys.stderr.flush()


def leave(code: int, why: str) -> NoReturn:
    log(why)
    # Without destructors: some wait for threads that are still busy.
    os._exit(code)


if __name__ == "__main__":
    main()
