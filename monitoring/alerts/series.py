"""Brings what monitors and gateways measure into the windows of the evaluator."""

from __future__ import annotations

import time
from collections.abc import Iterable

import orjson

from monitoring.alerts.evaluation.windows import Windows
from monitoring.history.recorder import Recorder
from monitoring.models import Bucket10s, Source

# Rows of other processes are read this often, and a little twice: clocks differ.
READ_S = 2.0
OVERLAP_S = 5
WIDTH_S = Bucket10s.WIDTH_S


class SeriesReader:
    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self.sources: dict[int, tuple[str, str, str]] = {}
        self.read_until = 0
        self.next_read = 0.0

    def keep(self, seconds: int) -> None:
        """The longest window that is read. Reads again what a longer one needs."""
        if seconds > self.windows.keep_s:
            self.read_until, self.next_read = 0, 0.0
        self.windows.keep_s = seconds

    def update(self, recorder: Recorder | None, now: float) -> None:
        """recorder: of this process, whose buckets are taken as they are. Raises
        DatabaseError."""
        own = ""
        if recorder is not None:
            own = recorder.writer
            self._take(recorder)
        if time.monotonic() >= self.next_read:
            self._read(now, own)
            self.next_read = time.monotonic() + READ_S
            self.windows.forget(now)

    def _take(self, recorder: Recorder) -> None:
        for source, buckets in recorder.buckets.items():
            name = recorder.infos[source].name
            for bucket in buckets[-2:]:
                self.windows.put(
                    source, name, bucket.start, bucket.writer, bucket.values
                )

    def _read(self, now: float, own: str) -> None:
        horizon = int(now) - self.windows.keep_s - 2 * WIDTH_S
        since = self.read_until or horizon
        rows = Bucket10s.objects.filter(touched__gte=since, start__gte=horizon)
        self.read_until = int(now) - OVERLAP_S
        found = list(
            rows.exclude(writer=own).values_list(
                "source_id", "start", "writer", "values"
            )
        )
        self._learn({pk for pk, *_ in found} - self.sources.keys())
        for pk, start, writer, text in found:
            if pk in self.sources:
                kind, key, name = self.sources[pk]
                self.windows.put((kind, key), name, start, writer, orjson.loads(text))

    def _learn(self, unknown: Iterable[int]) -> None:
        if unknown:
            rows = Source.objects.filter(pk__in=list(unknown), demo=False)
            for pk, *source in rows.values_list("pk", "kind", "key", "name"):
                self.sources[pk] = (source[0], source[1], source[2])
