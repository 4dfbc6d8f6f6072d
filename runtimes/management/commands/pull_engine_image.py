import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from common.messages import render
from runtimes.drivers.base import DriverError, Pulled
from runtimes.installations.images import missing, with_images
from runtimes.registry import driver

MIB = 2**20
# Between two lines, where nobody watches a terminal
LINE_EVERY_S = 10.0
SHOWN_EVERY_S = 0.2


class Command(BaseCommand):
    help = (
        "Fetch the images that engines in containers need from their registries:"
        " those named, else all that are missing. Nothing is fetched without this."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "engines", nargs="*", help="framework or engine, such as vllm"
        )
        parser.add_argument("--driver", default="docker", choices=with_images())

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["driver"]
        images = driver(name).images
        unknown = [key for key in options["engines"] if key not in images]
        if unknown:
            params = {"engines": ", ".join(unknown), "known": ", ".join(images)}
            raise CommandError(
                _("No image is configured for %(engines)s, only for %(known)s.")
                % params
            )
        try:
            wanted = options["engines"] or [*missing(name)]
            for key in wanted:
                self._pull(name, key)
        except DriverError as error:
            raise CommandError(render(error.code, error.params)) from error
        if not wanted:
            self.stdout.write(_("All images are on this machine."))

    def _pull(self, name: str, key: str) -> None:
        image = driver(name).images[key]
        self.stdout.write(_("Pulling %(image)s") % {"image": image})
        watched = self.stdout.isatty()
        every = SHOWN_EVERY_S if watched else LINE_EVERY_S
        reported = time.monotonic()
        for pulled in driver(name).pull(key):
            if time.monotonic() - reported >= every:
                reported = time.monotonic()
                self.stdout.write(
                    progress_text(pulled), ending="\r" if watched else "\n"
                )
        self.stdout.write(driver(name).image(key))


def progress_text(pulled: Pulled) -> str:
    params = {
        "done": pulled.layers_done,
        "layers": pulled.layers,
        "mib_done": pulled.bytes_done // MIB,
        "mib": pulled.bytes // MIB,
    }
    return _("%(done)s of %(layers)s layers, %(mib_done)s of %(mib)s MiB  ") % params
