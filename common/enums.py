"""Values that several apps share. Pure."""

from enum import StrEnum


class ModelKind(StrEnum):
    """What a model answers, by its files: messages, text to continue, or neither."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"


class Retry(StrEnum):
    """What happens to a replica after its run ended with this reason."""

    BACKOFF = "backoff"  # a failure: again, after a delay that doubles each time
    AT_ONCE = "at_once"  # a failure: again now, on another port or GPU
    MORE_GPU_MEMORY = "more_gpu_memory"  # now where more is free; elsewhere BACKOFF
    NEVER = "never"  # a failure that would happen again
    REQUESTED = "requested"  # stopped on request
    EVICTED = "evicted"  # stopped by the scheduler; starts again when there is room
    INTERRUPTED = "interrupted"  # the machine restarted; earlier failures are forgotten

    @property
    def is_failure(self) -> bool:
        return self not in (Retry.REQUESTED, Retry.EVICTED, Retry.INTERRUPTED)


class Fault(StrEnum):
    """Who has to act, or whose failure it was."""

    NOBODY = "nobody"
    CONFIGURATION = "configuration"  # of the model; its operator's
    MACHINE = "machine"  # GPU, memory, disk, operating system
    ENGINE = "engine"
    PLATFORM = "platform"
