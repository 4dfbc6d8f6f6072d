import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils.translation import gettext as _

from common.messages import render
from runtimes.library.scanner.entries import Entry
from runtimes.library.scanner.words import count_words, mib_words, one_line, size_words
from runtimes.library.serializers import EntrySerializer, ScanSerializer
from runtimes.library.shelf import Shelf, library, serving


class Command(BaseCommand):
    help = "List the models in the model folders (MODEL_ROOTS), by their headers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        shelf = library(again=True)
        if options["json"]:
            self.stdout.write(json.dumps(_told(shelf), indent=2))
        else:
            self._say(shelf)

    def _say(self, shelf: Shelf) -> None:
        rows = [_cells(entry) for entry in shelf.scan.entries]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for cells, entry in zip(rows, shelf.scan.entries, strict=True):
            line = [f"{c:<{width}}" for c, width in zip(cells, widths, strict=True)]
            self.stdout.write("  ".join([*line, one_line(entry.path)]).rstrip())
        for entry in shelf.scan.entries:
            if entry.problem:
                self._warn(entry.problem)
        for trouble in shelf.scan.troubles:
            self._warn(trouble)
        told = {"count": len(rows), "seconds": f"{shelf.scan.seconds:.1f}"}
        done = _("Models and files found: %(count)s, in %(seconds)s s.")
        self.stdout.write(done % told)

    def _warn(self, problem: Any) -> None:
        words = one_line(render(problem.code, problem.params))
        self.stderr.write(self.style.WARNING(words))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.candidate.framework,
        one_line(entry.architecture) or "-",
        count_words(entry.parameters) or "-",
        one_line(entry.quantisation) or "-",
        str(entry.context or "-"),
        size_words(entry.candidate.size),
        mib_words(entry.memory_mib) or "-",
        _state(entry),
    )


def _state(entry: Entry) -> str:
    if entry.problem:
        return "incomplete" if entry.is_incomplete else "unusable"
    return entry.kind


def _told(shelf: Shelf) -> dict[str, Any]:
    entries = shelf.scan.entries
    try:
        models = serving(entries)
    except DatabaseError as error:
        words = _("The database cannot be used: %(error)s") % {"error": error}
        raise CommandError(words) from error
    shown = EntrySerializer(entries, many=True, context=models)
    return {**ScanSerializer(shelf).data, "models": shown.data}
