"""Images of engines that drivers run in containers, and which are missing."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from runtimes.drivers.base import DriverError
from runtimes.registry import driver


def with_images() -> list[str]:
    """Names of the drivers that run engines from images."""
    return [name for name in settings.DRIVERS if driver(name).images]


def missing(driver_name: str) -> Iterator[str]:
    """Frameworks and engines without a local image. Raises DriverError
    docker_unavailable."""
    for key in driver(driver_name).images:
        try:
            driver(driver_name).image(key)
        except DriverError as error:
            if error.code != "image_missing":
                raise
            yield key
