import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from common.messages import render
from runtimes.library.cache import CachedScan, cached_scan, models_by_path
from runtimes.library.scanner.entries import Entry
from runtimes.library.scanner.units import (
    format_bytes,
    format_count,
    format_mib,
    printable,
)
from runtimes.library.serializers import EntrySerializer, ScanSerializer


class Command(BaseCommand):
    help = "List the models in the model folders (MODEL_ROOTS), by their headers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        cached = cached_scan(refresh=True)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(cached), indent=2))
        else:
            self._print(cached)

    def _print(self, cached: CachedScan) -> None:
        rows = [_cells(entry) for entry in cached.result.entries]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for cells, entry in zip(rows, cached.result.entries, strict=True):
            line = [f"{c:<{width}}" for c, width in zip(cells, widths, strict=True)]
            self.stdout.write("  ".join([*line, printable(entry.path)]).rstrip())
        for entry in cached.result.entries:
            if entry.problem:
                self._warn(entry.problem)
        for problem in cached.result.problems:
            self._warn(problem)
        summary = {"count": len(rows), "seconds": f"{cached.result.seconds:.1f}"}
        done = _("Models and files found: %(count)s (%(seconds)s s).")
        self.stdout.write(done % summary)

    def _warn(self, problem: Any) -> None:
        text = printable(render(problem.code, problem.params))
        self.stderr.write(self.style.WARNING(text))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.candidate.framework,
        printable(entry.architecture) or "-",
        format_count(entry.parameters) or "-",
        printable(entry.quantisation) or "-",
        str(entry.context or "-"),
        format_bytes(entry.candidate.size),
        format_mib(entry.memory_mib) or "-",
        _state(entry),
    )


def _state(entry: Entry) -> str:
    if entry.problem:
        return "incomplete" if entry.is_incomplete else "unusable"
    return entry.kind


def _as_json(cached: CachedScan) -> dict[str, Any]:
    entries = cached.result.entries
    try:
        models = models_by_path(entries)
    except DatabaseError as error:
        text = _("The database cannot be used: %(error)s") % {"error": error}
        raise CommandError(text) from error
    data = EntrySerializer(entries, many=True, context=models)
    return {**ScanSerializer(cached).data, "models": data.data}
