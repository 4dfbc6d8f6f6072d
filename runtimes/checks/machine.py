"""Checks of this machine: GPUs, disk, ports, files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import psutil
import pynvml
import urllib3
from django.conf import settings
from django.utils.translation import gettext as _

from common.messages import advise, render
from runtimes.checks.finding import Finding, Level, error, ok, start_roles, warning
from runtimes.frameworks.engines import Place
from runtimes.frameworks.mounts import mounts
from runtimes.installations import discovery
from runtimes.sandbox import landlock_abi

MIB = 2**20
LEAST_FREE_MIB = 256
LOW_FREE_PERCENT = 10
NO_GPU_HERE = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)


def engines() -> Iterator[Finding]:
    """All that are installed; the one that comes with the platform has to be."""
    found = discovery.installed()
    for engine in found:
        shown = f"{engine.version}, {engine.accelerator}, {engine.program}"
        yield ok(f"engine {engine.name}", shown)
    kinds = discovery.kinds().values()
    names = {engine.name for engine in found}
    for kind in kinds:
        if kind.place == Place.PLATFORM and kind.name not in names:
            yield error(
                f"engine {kind.name}",
                _("The package %(package)s is not installed.")
                % {"package": kind.package},
                _("Run: pip install -r requirements.txt"),
            )
    for_gpus = next((kind for kind in kinds if kind.accelerator == "cuda"), None)
    if for_gpus and all(e.accelerator == "cpu" for e in found) and has_gpus():
        yield warning(
            "engines",
            _("This machine has GPUs, but all engines were built for CPUs only."),
            _("Install one that supports GPUs: %(command)s")
            % {"command": for_gpus.install},
        )


def gpus() -> Iterator[Finding]:
    try:
        yield ok("gpus", ", ".join(_gpu_names()) or _no_gpu())
    except pynvml.NVMLError as failure:
        yield _nvml_error(failure)


def disk() -> Iterator[Finding]:
    yield _disk("disk DATA_DIR", settings.DATA_DIR)
    for root in settings.MODEL_ROOTS:
        if mount := mounts.hung(root):
            params = {"path": str(root), "mount": mount}
            code = "mount_not_responding"
            yield warning(f"disk {root}", render(code, params), advise(code, params))
        elif root.exists():
            yield _disk(f"disk {root}", root)


def ports() -> Iterator[Finding]:
    listening = {
        c.laddr.port: c.pid
        for c in psutil.net_connections(kind="tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr
    }
    for role, port in (("web", settings.WEB_PORT), ("api", settings.API_PORT)):
        yield _port(role, port, listening)


def isolation() -> Iterator[Finding]:
    """Of engines that run as processes."""
    if os.geteuid() == 0:
        yield warning(
            "user",
            _("The platform runs as root."),
            _("Deploy it as a user of its own that owns %(path)s.")
            % {"path": settings.DATA_DIR},
        )
    abi = landlock_abi()
    if not settings.ENGINE_SANDBOX:
        yield warning(
            "sandbox",
            _("Engines can read the platform's data."),
            _("Deploy with ENGINE_SANDBOX=1."),
        )
    elif not abi:
        yield warning(
            "sandbox",
            _("Engines can read the platform's data: this kernel has no Landlock."),
            _("Use Linux 5.13 or newer with Landlock enabled, or the Docker driver."),
        )
    else:
        message = _("Engines see the system and models only (Landlock %(abi)s).")
        yield ok("sandbox", message % {"abi": abi})


def secret_key() -> Iterator[Finding]:
    path = settings.DATA_DIR / "secret_key"
    if path.exists() and path.stat().st_mode & 0o077:
        yield error(
            "secret key",
            _("%(path)s can be read by other users.") % {"path": path},
            _("Run: chmod 600 %(path)s") % {"path": path},
        )
    else:
        yield ok("secret key", _("Only this user can read it."))


def _disk(name: str, path: Path) -> Finding:
    usage = shutil.disk_usage(path)
    percent = 100 * usage.free // usage.total
    shown = {"free": usage.free // MIB, "percent": percent}
    message = _("%(free)s MiB free (%(percent)s %%).") % shown
    level = room(usage.free // MIB, usage.total // MIB)
    if level == Level.OK:
        return ok(name, message)
    advice = _("Delete unneeded files in %(path)s.") % {"path": path}
    return Finding(name=name, level=level, message=message, advice=advice)


def room(free_mib: int, total_mib: int) -> Level:
    if free_mib < LEAST_FREE_MIB:
        return Level.ERROR
    low = 100 * free_mib < LOW_FREE_PERCENT * total_mib
    return Level.WARNING if low else Level.OK


def _port(role: str, port: int, listening: dict[int, int | None]) -> Finding:
    name = f"port {port}"
    if port not in listening:
        return error(name, _("Role %(role)s is down.") % {"role": role}, start_roles())
    if not _is_ours(listening[port]):
        return error(
            name,
            _("Taken by another program (pid %(pid)s).")
            % {"pid": listening[port] or _("of another user")},
            _("Stop it, or deploy with another %(variable)s.")
            % {"variable": f"{role.upper()}_PORT"},
        )
    if not _answers(port):
        return error(
            name,
            _("Role %(role)s listens but does not respond.") % {"role": role},
            _("Read %(log)s.") % {"log": settings.LOG_DIR / f"{role}.log"},
        )
    return ok(name, _("Role %(role)s responds.") % {"role": role})


def _is_ours(pid: int | None) -> bool:
    """With API_PROCESSES, children of the role's process listen."""
    try:
        process = psutil.Process(pid) if pid else None
        parent = process.parent() if process else None
        family = [each.cmdline() for each in (process, parent) if each]
    except psutil.Error:
        return False
    return any("llmplatform.servers" in argv for argv in family)


def _answers(port: int) -> bool:
    any_address = ip_address(settings.BIND.strip("[]")).is_unspecified
    url = f"http://{'127.0.0.1' if any_address else settings.BIND}:{port}/healthz"
    try:
        reply = urllib3.request("GET", url, timeout=5, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return reply.status == 200


def _gpu_names() -> list[str]:
    """None where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as failure:
        if failure.value in NO_GPU_HERE:
            return []
        raise
    try:
        return [
            pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index))
            for index in range(pynvml.nvmlDeviceGetCount())
        ]
    finally:
        pynvml.nvmlShutdown()


def has_gpus() -> bool:
    try:
        return bool(_gpu_names())
    except pynvml.NVMLError:
        return False


def _no_gpu() -> str:
    return _("No GPU found: CPU only.")


def _nvml_error(failure: Exception) -> Finding:
    return warning(
        "gpus",
        _("NVML: %(error)s") % {"error": failure},
        _("Run nvidia-smi; after a driver upgrade, restart the machine."),
    )
