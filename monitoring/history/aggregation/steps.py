"""Choose the tier to read and the step to return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Round widths for a time axis; each is a multiple of a tier's width.
NICE_S = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 86_400)
# More points than a chart has pixels add nothing.
SERIES_POINTS = 1000
MAX_POINTS = 100_000
# Reading a row takes about 5 us. Only an explicit step may cost more than half a
# second.
MAX_ROWS = 100_000
MAX_ROWS_WITH_STEP = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """sources: rows per bucket; series: columns of the result."""

    start: int
    end: int
    sources: int
    series: int
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    width: int
    step: int


def choose(requested: Resolution, available_since: Mapping[int, int]) -> Choice:
    """available_since: by width of the tier. Picks the widest tier that can show the
    step, or a wider one (and then a wider step) where that tier does not go back far
    enough or has too many rows."""
    step = requested.step or _nice(requested)
    widths = sorted(available_since)
    fitting = max((w for w in widths if step % w == 0), default=widths[0])
    max_rows = MAX_ROWS_WITH_STEP if requested.step else MAX_ROWS
    span = requested.end - requested.start
    for width in widths[widths.index(fitting) :]:
        rows = requested.sources * span / width
        if requested.start >= available_since[width] and rows <= max_rows:
            break
    return Choice(width, -(-step // width) * width)


def _nice(requested: Resolution) -> int:
    points = min(SERIES_POINTS, max(1, MAX_POINTS // max(1, requested.series)))
    smallest = (requested.end - requested.start) / points
    return next((step for step in NICE_S if step >= smallest), NICE_S[-1])


def times(start: int, end: int, step: int) -> range:
    """Steps start at multiples of their width: a moment falls into the same step
    whatever the range."""
    return range(start // step * step, end, step)


def smallest_step(start: int, end: int, series: int) -> int:
    """The finest step that stays within MAX_POINTS."""
    # A partial step at each end adds up to two points per series.
    smallest = (end - start) * series / max(1, MAX_POINTS - 2 * series)
    return max(10, -(-int(smallest + 1) // 10) * 10)
