"""Builders and readers of history."""

import json

from monitoring.history.aggregation import bucket_values
from monitoring.models import Bucket10s, Source


class Clock:
    """A wall clock that tests set."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


def stored(row):
    return json.loads(row.values)


def bucket_of(kind, key, start, tier=Bucket10s):
    """The sum of all writers of a bucket."""
    rows = tier.objects.filter(source__kind=kind, source__key=key, start=start)
    return bucket_values.merge(map(stored, rows))


def a_source(kind="gpu", key="GPU-1", **fields):
    defaults = {"name": f"name of {key}", "metrics": [], "first_seen": 0}
    return Source.objects.create(
        kind=kind, key=key, **{**defaults, "last_seen": 2**40, **fields}
    )


def a_bucket(tier, source, start, values, writer="", touched=None):
    return tier.objects.create(
        source=source,
        start=start,
        writer=writer,
        values=json.dumps(values),
        touched=start if touched is None else touched,
    )
