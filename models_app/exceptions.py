"""What can go wrong in a verb, with a stable code; entry points turn it into words."""

from collections.abc import Mapping

from models_app.messages import render


class PlatformError(Exception):
    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, object] = params

    def __str__(self) -> str:
        return render(self.code, self.params)


class Conflict(PlatformError):
    """The model's status does not allow it, or somebody else was faster."""
