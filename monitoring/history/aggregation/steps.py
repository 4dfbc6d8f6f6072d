"""How fine an answer is: which tier it is read from, and how wide its steps are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Widths people can read off an axis; each is a multiple of a tier's
NICE_S = (10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 86_400)
# A chart of more points than pixels shows no more.
SERIES_POINTS = 1000
MAX_POINTS = 100_000
# Rows that an answer is made of, some 5 us each: half a second, unless a step was asked
# for.
ROWS = 100_000
ROWS_ON_REQUEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """sources: rows of each tier's width; series: columns of the answer."""

    start: int
    end: int
    sources: int
    series: int
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    width: int
    step: int


def choose(wanted: Wanted, kept_since: Mapping[int, int]) -> Choice:
    """kept_since: by width of the tier. The widest tier that shows the step, unless it
    takes a wider one to go back that far, or to be read in time; then the step is at
    least that wide."""
    step = wanted.step or _nice(wanted)
    widths = sorted(kept_since)
    fitting = max((w for w in widths if step % w == 0), default=widths[0])
    most = ROWS_ON_REQUEST if wanted.step else ROWS
    span = wanted.end - wanted.start
    for width in widths[widths.index(fitting) :]:
        rows = wanted.sources * span / width
        if wanted.start >= kept_since[width] and rows <= most:
            break
    return Choice(width, -(-step // width) * width)


def _nice(wanted: Wanted) -> int:
    points = min(SERIES_POINTS, max(1, MAX_POINTS // max(1, wanted.series)))
    least = (wanted.end - wanted.start) / points
    return next((step for step in NICE_S if step >= least), NICE_S[-1])


def times(start: int, end: int, step: int) -> range:
    """Steps begin at multiples of their width, so that the same moment is in the same
    step whatever was asked for."""
    return range(start // step * step, end, step)


def least_step(start: int, end: int, series: int) -> int:
    """The finest whose points are allowed."""
    # A step at each end may stick out.
    least = (end - start) * series / max(1, MAX_POINTS - 2 * series)
    return max(10, -(-int(least + 1) // 10) * 10)
