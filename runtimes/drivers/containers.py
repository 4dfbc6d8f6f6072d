"""Translates runs into requests and responses of Docker's Engine API. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from signal import Signals
from typing import Any

from runtimes.drivers.base import Bounds, Observation
from runtimes.frameworks.base import Command, Exit

RUN_LABEL = "llmplatform.run"
INSTANCE_LABEL = "llmplatform.instance"
MIB = 2**20
# Engines start hundreds of threads; a fork bomb starts more.
MOST_PROCESSES = 4096
# Caches of compiled kernels; they count as memory of the run.
SCRATCH_MIB = 1024
# GPUs of one engine exchange tensors there; Docker's own 64 MiB end in a bus error. For
# each GPU.
SHARED_MIB = 1024
LOG_OPTIONS = {"max-size": "16m", "max-file": "2"}
# Exit codes above it are signals, by the convention of shells and Docker.
SIGNALLED = 128
# Folders of this machine, which a container does not have
PATHS_OF_THE_HOST = {"PYTHONPATH"}
LIVE = ("running", "paused", "restarting", "removing")
REMOVED = Observation(
    alive=False, exit=Exit(code=None, signal=None), reason="removed_outside"
)
# Where home folders of this machine may be private, an image's are, too. What is not in
# there cannot be downloaded: it is read-only.
HUB_PLACE = "/hub"
FROM_HUB = {
    "HF_HUB_CACHE": HUB_PLACE,
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
CONTAINER_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is the same for all containers. user: "uid:gid". images: by framework, or by
    engine where its own is another. folders: of models, which engines read under the
    paths they have here. hub_dir: of models from a hub; empty: there is none."""

    instance: str
    user: str
    images: Mapping[str, str]
    folders: Sequence[str]
    hub_dir: str = ""


def name_of(uid: str) -> str:
    return f"llmplatform-{uid}"


def image_of(images: Mapping[str, str], framework: str, engine: str = "") -> str | None:
    """engine: KIND, or KIND@LABEL."""
    kind = engine.partition("@")[0]
    return images.get(engine) or images.get(kind) or images.get(framework)


def specification(
    uid: str, command: Command, bounds: Bounds, around: Surroundings
) -> dict[str, Any]:
    """The body of POST /containers/create. Its standard input is closed when who feeds
    it leaves; init passes signals on, which have no default action for a process 1."""
    program, *arguments = command.argv
    environment = _environment(command, bounds)
    return {
        "Image": image_of(around.images, bounds.framework, bounds.engine),
        "Entrypoint": [_program(program)],
        "Cmd": arguments,
        "Env": [f"{name}={value}" for name, value in environment],
        "User": around.user,
        "Labels": {RUN_LABEL: uid, INSTANCE_LABEL: around.instance},
        "AttachStdin": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "ExposedPorts": {f"{port}/tcp": {} for port in _ports(bounds)},
        "HostConfig": _host_config(bounds, around),
    }


def _program(path: str) -> str:
    """Looked up in the image: paths of this machine mean nothing there, nor does the
    version in the name of its Python."""
    name = PurePath(path).name
    return "python3" if name.startswith("python") else name


def _environment(command: Command, bounds: Bounds) -> list[tuple[str, str]]:
    given = {k: v for k, v in command.env.items() if k not in PATHS_OF_THE_HOST}
    fixed = {
        # Of the user nothing is known in there, and nothing else can be written to.
        "HOME": "/tmp",  # noqa: S108 -- the container's own
        "USER": "engine",
        # Images for GPUs request all of them by default.
        "NVIDIA_VISIBLE_DEVICES": ",".join(bounds.gpu_uuids) or "void",
    }
    return sorted({**given, **FROM_HUB, **fixed}.items())


def _ports(bounds: Bounds) -> list[int]:
    return [bounds.port] if bounds.port else []


def _host_config(bounds: Bounds, around: Surroundings) -> dict[str, Any]:
    memory = bounds.memory_mib * MIB
    return {
        "NetworkMode": "bridge",
        "PortBindings": {
            f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
            for port in _ports(bounds)
        },
        "Mounts": [
            {"Type": "bind", "Source": path, "Target": place, "ReadOnly": True}
            for path, place in _places(around)
        ],
        "DeviceRequests": _devices(bounds),
        "NanoCpus": bounds.cpu_cores * 1_000_000_000,
        "Memory": memory,
        "MemorySwap": memory,  # with memory: none
        "PidsLimit": MOST_PROCESSES,
        "ShmSize": SHARED_MIB * MIB * max(1, len(bounds.gpu_uuids)),
        "IpcMode": "private",
        "Init": True,
        "Privileged": False,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={SCRATCH_MIB}m"},  # noqa: S108
        # A run that ends is over: the scheduler decides what follows.
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
    }


def _places(around: Surroundings) -> list[tuple[str, str]]:
    hub = [(around.hub_dir, HUB_PLACE)] if around.hub_dir else []
    return [*zip(around.folders, around.folders, strict=True), *hub]


def _devices(bounds: Bounds) -> list[dict[str, Any]]:
    if not bounds.gpu_uuids:
        return []
    return [
        {
            "Driver": "nvidia",
            "DeviceIDs": list(bounds.gpu_uuids),
            "Capabilities": [["gpu"]],
        }
    ]


def observation(state: Mapping[str, Any]) -> Observation:
    """From the State of a container that was started."""
    if state["Status"] in LIVE:
        return Observation(alive=True, exit=None)
    reason = "out_of_memory" if state["OOMKilled"] else ""
    return Observation(alive=False, exit=_exit(state["ExitCode"]), reason=reason)


def _exit(code: int) -> Exit:
    try:
        return Exit(code=None, signal=Signals(code - SIGNALLED))
    except ValueError:
        return Exit(code=code, signal=None)


def was_started(details: Mapping[str, Any]) -> bool:
    """Docker writes year 1 until it was. A start that failed leaves it so, too."""
    return not str(details["State"]["StartedAt"]).startswith("0001-")


def publishes(details: Mapping[str, Any], port: int) -> bool:
    here = {"HostIp": "127.0.0.1", "HostPort": str(port)}
    ports = details["NetworkSettings"]["Ports"] or {}
    return here in (ports.get(f"{port}/tcp") or [])


def container_of(cgroup: str) -> str:
    """Id of the innermost container, by a process's /proc/PID/cgroup; empty: none."""
    found = CONTAINER_ID.findall(cgroup)
    return found[-1] if found else ""
