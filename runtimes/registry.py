"""The drivers and frameworks of this installation, by the names that settings give."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from common.exceptions import PlatformError
from runtimes.drivers.base import Driver
from runtimes.frameworks.base import Framework


@cache
def driver(name: str) -> Driver:
    """Raises PlatformError unknown_driver."""
    if name not in settings.DRIVERS:
        allowed = list(settings.DRIVERS)
        raise PlatformError("unknown_driver", value=name, allowed=allowed)
    options: dict[str, Any] = settings.DRIVER_OPTIONS.get(name, {})
    made: Driver = import_string(settings.DRIVERS[name])(
        runs_dir=settings.RUNS_DIR,
        instance=instance(),
        **options,
    )
    return made


def drivers() -> list[Driver]:
    return [driver(name) for name in settings.DRIVERS]


def instance() -> str:
    """Tells our engines from those of another installation on the machine."""
    place = str(settings.RUNS_DIR.resolve())
    return salted_hmac("runtimes.instance", place, algorithm="sha256").hexdigest()[:32]


def framework(name: str) -> Framework:
    """Raises PlatformError unknown_framework."""
    if name not in settings.FRAMEWORKS:
        allowed = list(settings.FRAMEWORKS)
        raise PlatformError("unknown_framework", value=name, allowed=allowed)
    return _loaded(settings.FRAMEWORKS[name])


def frameworks() -> dict[str, Framework]:
    return {name: framework(name) for name in settings.FRAMEWORKS}


@cache
def _loaded(path: str) -> Framework:
    made: Framework = import_string(path)()
    return made
