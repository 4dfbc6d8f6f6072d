"""What may be saved as a limit: one set of rules for API and admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from common.problems import Problem, out_of_range
from models_app.limits.models import RANGES, SUBJECTS, Limit

QUEUE = ("queue_length", "queue_wait_s")
TURN = ("priority", "weight")
NEEDS = {"queue_length": "max_in_flight", "queue_wait_s": "queue_length"}


def problems(
    fields: Mapping[str, Any], *, instance: Limit | None = None
) -> list[Problem]:
    """What is wrong with a new limit, or with instance once fields are changed. What a
    limit applies to cannot be changed."""
    before = instance or Limit()
    names = [*SUBJECTS, *RANGES]
    limit = {name: fields.get(name, getattr(before, name)) for name in names}
    subjects = [name for name in SUBJECTS if limit[name] is not None]
    if len(subjects) != 1:
        params = {"value": subjects, "allowed": list(SUBJECTS)}
        return [Problem(code="limit_one_subject", field="subject", params=params)]
    subject = subjects[0]
    if instance and subject != instance.subject:
        return [Problem(code="limit_subject_fixed", field=subject)]
    return [*_subject(limit, subject, instance), *_numbers(limit, subject)]


def taken(subject: str) -> Problem:
    return Problem(code="limit_exists", field=subject, params={"subject": subject})


def _subject(
    limit: Mapping[str, Any], subject: str, instance: Limit | None
) -> Iterator[Problem]:
    if instance is not None:
        if limit[subject].pk != getattr(instance, f"{subject}_id"):
            yield Problem(code="limit_subject_fixed", field=subject)
    elif Limit.objects.filter(**{subject: limit[subject]}).exists():
        yield taken(subject)


def _numbers(limit: Mapping[str, Any], subject: str) -> Iterator[Problem]:
    for name, (low, high) in RANGES.items():
        if limit[name] is not None and not low <= limit[name] <= high:
            yield out_of_range(name, limit[name], low, high)
    foreign = TURN if subject == "model" else QUEUE
    for name in foreign:
        if limit[name] is not None:
            params = {"key": name, "allowed": _subjects_of(name)}
            yield Problem(code="limit_other_subject", field=name, params=params)
    for name, needed in NEEDS.items():
        if limit[name] is not None and limit[needed] is None:
            params = {"key": name, "needed": needed}
            yield Problem(code="limit_needs", field=name, params=params)
    if all(limit[name] is None for name in RANGES):
        params = {"allowed": [name for name in RANGES if name not in foreign]}
        yield Problem(code="limit_empty", field="", params=params)


def _subjects_of(name: str) -> list[str]:
    return (
        ["model"] if name in QUEUE else [each for each in SUBJECTS if each != "model"]
    )
