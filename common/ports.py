"""What a lower app needs from a higher one, which provides it in AppConfig.ready()."""

from typing import Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


class Port(Generic[T]):
    """Typed by the Protocol that the lower app defines beside it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._implementation: T | None = None

    def provide(self, implementation: T) -> None:
        self._implementation = implementation

    def get(self) -> T:
        """Raises ImproperlyConfigured when no app has provided an implementation."""
        if self._implementation is None:
            raise ImproperlyConfigured(f"No installed app provides {self._name}.")
        return self._implementation
