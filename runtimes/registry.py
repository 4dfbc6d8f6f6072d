"""The drivers and frameworks of this machine."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from django.conf import settings
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from common.exceptions import PlatformError
from models_app.models import Run
from models_app.ports import framework as rules
from runtimes.drivers.base import Driver
from runtimes.frameworks.base import Framework


@cache
def driver(name: str) -> Driver:
    """Raises PlatformError unknown_driver."""
    if name not in settings.DRIVERS:
        allowed = list(settings.DRIVERS)
        raise PlatformError("unknown_driver", value=name, allowed=allowed)
    options = cast(dict[str, Any], settings.DRIVER_OPTIONS.get(name, {}))
    made: Driver = import_string(settings.DRIVERS[name])(
        runs_dir=settings.RUNS_DIR,
        instance=instance(),
        **options,
    )
    return made


def drivers() -> list[Driver]:
    return [driver(name) for name in settings.DRIVERS]


def instance() -> str:
    """What tells our engines from those of another installation on the machine."""
    place = str(settings.RUNS_DIR.resolve())
    return salted_hmac("runtimes.instance", place, algorithm="sha256").hexdigest()[:32]


def framework(run: Run) -> Framework:
    """Settings name whole frameworks; models_app sees only their rules."""
    return cast(Framework, rules(run.framework))
