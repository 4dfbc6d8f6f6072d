"""What a process and its children take."""

import psutil

MIB = 2**20


def taken_mib(pid: int) -> float:
    """What they share counts once: the same libraries, the same model file."""
    first = psutil.Process(pid)
    tree = [first, *first.children(recursive=True)]
    found = [process.memory_full_info() for process in tree]
    shared = max(one.rss - one.uss for one in found)
    return (sum(one.uss for one in found) + shared) / MIB
