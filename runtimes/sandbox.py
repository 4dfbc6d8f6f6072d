"""Becomes an engine that can reach little: `python -I -S sandbox.py POLICY ARGV...`.

POLICY is a JSON object:
    {"read": [path], "write": [path], "write_files": [path], "user": uid,
     "groups": [gid], "cwd": path}

1. Started by root, it changes to the user and drops all capabilities but the one to
   read files of others; step 3 limits it to what is below "read".
2. No program that it executes gains privileges (no_new_privs).
3. Landlock: it reads and executes only below "read", writes only below "write" and to
   files that exist below "write_files", signals and traces no process but its own, and
   connects to no abstract socket of others. Paths that do not exist are left out.
4. It executes the engine, which keeps the pid, the open files and the parent.

Where the kernel has no Landlock, root keeps its user, without any capability: another
user could not read models in private folders. Standard library only.

Sources: landlock(7), capabilities(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

LIBC = ctypes.CDLL(None, use_errno=True)
CANNOT_EXECUTE = 127

# prctl(2)
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAPBSET_DROP = 1, 8, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47
AMBIENT_RAISE, AMBIENT_CLEAR_ALL = 2, 4

# capabilities(7)
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH = 2
LAST_CAPABILITY = 63

# landlock(7)
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULESET_VERSION = 1
PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST_RIGHTS = (1 << 13) - 1
READ = EXECUTE | READ_FILE | READ_DIR
WRITE_FILES = WRITE_FILE | TRUNCATE
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1, 2


def main(policy: dict[str, Any], argv: list[str]) -> NoReturn:
    parent = os.getppid()
    try:
        has_landlock = landlock_abi() > 0
        if os.geteuid() == 0:
            drop_privileges(policy if has_landlock else None)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        if has_landlock:
            restrict(policy["read"], policy["write"], policy["write_files"])
        # The kernel forgets it when the user changes.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.umask(0o077)
            os.chdir(policy["cwd"])
            os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot execute the engine: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(CANNOT_EXECUTE)


def landlock_abi() -> int:
    """0: this kernel has none, or does not let this process use it."""
    abi: int = LIBC.syscall(CREATE_RULESET, None, 0, RULESET_VERSION)
    return max(abi, 0)


def drop_privileges(policy: dict[str, Any] | None) -> None:
    """policy: None to keep the user."""
    kept = 1 << CAP_DAC_READ_SEARCH if policy else 0
    for capability in range(LAST_CAPABILITY + 1):
        if not kept >> capability & 1:
            # Fails for numbers that the kernel does not know.
            LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    if policy:
        user = policy["user"]
        prctl(PR_SET_KEEPCAPS, 1)
        os.setgroups(policy["groups"])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    set_capabilities(kept)
    prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL)
    if kept:
        prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def set_capabilities(kept: int) -> None:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    data = struct.pack("=6I", low, low, low, high, high, high)
    if LIBC.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def restrict(
    read: Iterable[str], write: Iterable[str], write_files: Iterable[str]
) -> None:
    abi = landlock_abi()
    rights = FIRST_RIGHTS
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        rights |= right if abi >= since else 0
    scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS
    attributes = struct.pack("=Q", rights)
    if abi >= 4:
        attributes += struct.pack("=Q", 0)  # TCP is left alone
    if abi >= 6:
        attributes += struct.pack("=Q", scopes)
    rules = syscall(CREATE_RULESET, attributes, len(attributes), 0)
    for paths, allowed in ((read, READ), (write, rights), (write_files, WRITE_FILES)):
        for path in paths:
            allow(rules, path, allowed & rights)
    syscall(RESTRICT_SELF, rules, 0)
    os.close(rules)


def allow(rules: int, path: str, rights: int) -> None:
    try:
        where = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(where).st_mode):
            rights &= OF_FILES
        rule = struct.pack("=Qi", rights, where)
        syscall(ADD_RULE, rules, PATH_BENEATH, rule, 0)
    finally:
        os.close(where)


def syscall(number: int, *arguments: object) -> int:
    result: int = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock system call {number}")
    return result


def prctl(option: int, *arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:4]
    if LIBC.prctl(option, *map(ctypes.c_ulong, padded)) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
