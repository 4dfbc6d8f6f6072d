"""What a line of an export says, the same in every format."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One metric of one source in one step. time: seconds since the epoch, when the
    step begins. min, max, samples: None where the query has none; value: None where the
    source was looked at and did not tell."""

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
