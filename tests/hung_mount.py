"""A mounted file system that never responds, like that of a lost NFS server."""

import ctypes
import os
import select
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic

from runtimes.frameworks.mounts import mounts
from tests.environment import PRIVATE_NETWORK
from tests.runtimes.processes import until

MNT_DETACH = 2
INIT = 26
HEADER = struct.Struct("=IIQ")  # length, opcode, id of the request
ANSWER = struct.Struct("=IiQ")
# Version 7.31, limits of requests in flight and of writes; the rest is zero.
INITIALISED = struct.pack("=IIIIHHII32x", 7, 31, 0, 0, 12, 9, 4096, 1)
# Nothing may block for longer, even if the platform waits for it.
LONGEST_S = 20


def why_not() -> str:
    """Why nothing can be mounted here; empty: it can."""
    if not PRIVATE_NETWORK:
        return "mounts need a namespace of their own"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return str(error)
    return ""


@contextmanager
def hung(place: Path) -> Iterator[None]:
    """Whatever blocks there goes on with an error in the end."""
    device, (stopped, stop) = os.open("/dev/fuse", os.O_RDWR), os.pipe()
    server = Thread(target=_serve, args=(device, stopped), daemon=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hung", bytes(place), b"fuse", 0, options):
        raise OSError(ctypes.get_errno(), "mount")
    server.start()
    try:
        until(lambda: mounts.hung(place))  # it lists mounts once a second
        yield
    finally:
        os.close(stop)
        server.join()
        os.close(stopped)
        libc.umount2(bytes(place), MNT_DETACH)


def _serve(device: int, stopped: int) -> None:
    """Takes all requests, so that who waits for them cannot even be killed."""
    end = monotonic() + LONGEST_S
    try:
        while (left := end - monotonic()) > 0:
            ready, _, _ = select.select([device, stopped], [], [], left)
            if stopped in ready:
                break
            if device in ready:
                _receive(device)
    finally:
        os.close(device)


def _receive(device: int) -> None:
    with suppress(FileNotFoundError):  # who made the request was killed
        _, opcode, request = HEADER.unpack_from(os.read(device, 2**17))
        if opcode == INIT:
            size = ANSWER.size + len(INITIALISED)
            os.write(device, ANSWER.pack(size, 0, request) + INITIALISED)
