"""Errors with a stable code; entry points render the message."""

from collections.abc import Iterable, Mapping

from common.messages import render
from common.problems import Problem


class PlatformError(Exception):
    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, object] = params

    def __str__(self) -> str:
        return render(self.code, self.params)


class Conflict(PlatformError):
    """The model's status does not allow it, or another request came first."""


class Invalid(PlatformError):
    """An input with problems, at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("validation_error")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return " ".join(render(p.code, p.params) for p in self.problems)


class AlreadyExists(Invalid):
    """What the input would create is there already."""
