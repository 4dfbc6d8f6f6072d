"""What an engine that runs as a process may reach on this machine. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

# Servers that come with the platform
ENGINES = Path(__file__).resolve().parents[1] / "engines"
# Programs, libraries and what they read at their start. No keys, no password hashes.
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/proc"),
    *("/sys/devices", "/sys/class", "/sys/bus", "/sys/module", "/sys/fs/cgroup"),
    *("/sys/kernel/mm", "/opt/rocm", "/opt/amdgpu", "/opt/nvidia", "/opt/intel"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload"),
    *("/etc/alternatives", "/etc/localtime", "/etc/timezone", "/etc/os-release"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts"),
    *("/etc/resolv.conf", "/run/systemd/resolve", "/etc/mime.types"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates"),
    *("/etc/pki/tls", "/etc/pki/ca-trust", "/etc/nvidia", "/run/nvidia-persistenced"),
    *("/etc/OpenCL", "/etc/vulkan"),
)
DEVICES = (
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/dev/shm", "/dev/dri", "/dev/kfd"),  # noqa: S108 -- no files of ours
)
GPU_DEVICES = "nvidia*"
# CUDA names its threads, and does not start where it may not: error 304, "OS call
# failed". A rule for the engine's own folder would not hold for what it starts.
GPU_WRITE_FILES = ("/proc",)
# Owners of GPU devices on systems that do not open them to everybody
GPU_GROUPS = ("video", "render")
# Accounts that systemd allocates while a service runs; no user of the machine has one.
FIRST_USER, LAST_USER = 61184, 65519


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """user: uid of engines where the platform runs as root. write: folders that all
    engines may write to. home: of all engines."""

    user: int
    write: tuple[Path, ...]
    home: Path

    def policy(
        self,
        program: Path,
        readable: Iterable[Path],
        scratch: Iterable[Path],
        groups: Iterable[int],
        has_gpus: bool = False,
    ) -> dict[str, object]:
        """For runtimes.sandbox. scratch: folders of this run, the current one first."""
        own = [str(folder) for folder in scratch]
        others = (ENGINES, *readable, *_environments(program))
        writable = (*DEVICES, *_gpu_devices(), *own, *self.write, self.home)
        return {
            "read": list(dict.fromkeys((*SYSTEM, *map(str, others)))),
            "write": list(dict.fromkeys(map(str, writable))),
            "write_files": list(GPU_WRITE_FILES if has_gpus else ()),
            "user": self.user,
            "groups": list(groups),
            "cwd": own[0],
        }


def user_of(instance: str) -> int:
    """Of an installation: another one's engines have another, with luck."""
    return FIRST_USER + crc32(instance.encode()) % (LAST_USER - FIRST_USER + 1)


def _environments(program: Path) -> Iterator[Path]:
    """The virtual environment of the program, and what it was made from; the platform's
    own too, for its engine and the sandbox."""
    yield from (Path(sys.prefix), Path(sys.base_prefix))
    if not program.is_absolute():
        return  # found on PATH; as a path it would mean the folder of the run
    for path in (program, program.resolve()):
        if path.parent.name == "bin":
            yield path.parents[1]
    yield program.parent
    yield program.resolve()


def _gpu_devices() -> Iterator[Path]:
    yield from Path("/dev").glob(GPU_DEVICES)
