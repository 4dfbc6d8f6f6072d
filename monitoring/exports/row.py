"""A row of an export, the same in every format."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One metric of one source in one step. time: start of the step, seconds since the
    epoch. min, max, samples: None where the query has none. value: None where the
    source was sampled without this metric."""

    time: int
    kind: str
    source: str
    key: str
    metric: str
    unit: str
    value: float | None
    min: float | None = None
    max: float | None = None
    samples: int | None = None


COLUMNS = Row._fields
