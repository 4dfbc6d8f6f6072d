"""Approvals of settings that only administrators may set, such as trust_remote_code.

An approval covers one key with its value, and what it applies to: framework, driver,
engine, model and the content of the model's files. It is compared again at every start,
so whatever changes one of these, in whatever way, makes it lapse.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from common import broker
from common.exceptions import Conflict, Invalid, PlatformError
from common.problems import Problem
from models_app.activity import Actor, event_of, record
from models_app.models import Activity, Approval, ServedModel
from models_app.permissions import is_admin
from models_app.ports import config_problems, fingerprint, framework

# Fields of a model that decide what its keys apply to
BOUND = ("framework", "driver", "config", "gpu_count")
BATCH = 500  # models in one transaction
PARTS = ("framework", "driver", "engine", "model", "files", "value")

Parts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a model or a run uses its keys. The files are read for `parts`."""

    framework: str
    driver: str
    config: Mapping[str, Any]
    gpu_count: int

    def keys(self) -> list[str]:
        """Those of the configuration that need an approval."""
        if self.framework not in settings.FRAMEWORKS:
            return []
        admin_keys = framework(self.framework).admin_keys
        return sorted(key for key in self.config if key in admin_keys)

    def parts(self) -> dict[str, dict[str, str]]:
        """By key, what an approval is bound to. Empty if nothing can be approved."""
        if not (keys := self.keys()):
            return {}
        try:
            shared = fingerprint.get()(
                self.framework, self.driver, self.config, self.gpu_count
            )
        except PlatformError:  # the driver was removed: no start comes that far
            return {}
        return {key: {**shared, "value": _digest(self.config[key])} for key in keys}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What an edit does to the approvals of a model. changed: by lapsed key."""

    before: Setup
    granted: Mapping[str, Parts]
    changed: Mapping[str, list[str]]


def setup_of(model: ServedModel, changes: Mapping[str, Any] | None = None) -> Setup:
    bound = {name: getattr(model, name) for name in BOUND}
    return Setup(**{k: (changes or {}).get(k, value) for k, value in bound.items()})


def missing(model_id: int, setup: Setup) -> list[Problem]:
    """A problem for each key without a valid approval, which names what changed."""
    approved = _approved(model_id)
    return [
        _problem(key, approved.get(key), parts)
        for key, parts in setup.parts().items()
        if approved.get(key) != parts
    ]


def approve(model: ServedModel, actor: Actor = None) -> ServedModel:
    """Raises what approve_all() returns."""
    if refused := approve_all([model], actor):
        raise refused[model.pk]
    model.refresh_from_db()
    return model


def approve_all(
    models: Sequence[ServedModel], actor: Actor = None
) -> dict[int, PlatformError]:
    """Approves the models as they are. The refused ones, by id: Conflict if somebody
    changes it meanwhile, or if it has no key that needs it; Invalid if its files do not
    respond."""
    refused: dict[int, PlatformError] = {}
    for start in range(0, len(models), BATCH):
        refused |= _approve_batch(models[start : start + BATCH], actor)
    if len(refused) < len(models):
        broker.notify_change()
    return refused


def _approve_batch(
    models: Sequence[ServedModel], actor: Actor
) -> dict[int, PlatformError]:
    """Reads files before its transaction."""
    refused: dict[int, PlatformError] = {}
    granted: dict[int, Mapping[str, Parts]] = {}
    for model in models:
        try:
            granted[model.pk] = _approvable(model)
        except PlatformError as error:
            refused[model.pk] = error
    with transaction.atomic():
        rows = ServedModel.objects.filter(pk__in=granted)
        current = {row.pk: row for row in rows.order_by("pk").select_for_update()}
        for model in models:
            row = current.get(model.pk)
            if row is not None and setup_of(row) == setup_of(model):
                continue
            if granted.pop(model.pk, None) is not None:
                refused[model.pk] = Conflict("conflict", model=model.name)
        _grant([(current[pk], parts) for pk, parts in granted.items()], actor)
    return refused


def _approvable(model: ServedModel) -> Mapping[str, Parts]:
    setup = setup_of(model)
    _check_mount(setup)
    if not (parts := setup.parts()):
        raise Conflict("nothing_to_approve", model=model.name)
    return parts


def _check_mount(setup: Setup) -> None:
    """What cannot be read now would be approved as absent."""
    if not setup.keys():
        return
    found = config_problems(setup.framework, setup.config, setup.gpu_count)
    if hung := [p for p in found if p.code == "mount_not_responding"]:
        raise Invalid(hung)


def approve_new(model: ServedModel, granted: Mapping[str, Parts], actor: Actor) -> None:
    """Of a model just created; granted: what an administrator set."""
    if granted and is_admin(actor):
        _grant([(model, granted)], actor)


def review(
    model: ServedModel, changes: Mapping[str, Any], actor: Actor
) -> Review | None:
    """Reads files, so it comes before the transaction of the edit. None: nothing that
    an approval covers changes.

    Administrators approve what they set, and renew what was approved until now. What
    had lapsed already stays so: they may not have noticed.
    """
    before, after = setup_of(model), setup_of(model, changes)
    if before == after or not after.keys():
        return None
    approved, old, new = _approved(model.pk), before.parts(), after.parts()
    valid = {key for key, parts in old.items() if approved.get(key) == parts}
    set_now = {key for key in new if after.config[key] != before.config.get(key)}
    renewed = (valid | set_now) if is_admin(actor) else set()
    return Review(
        before=before,
        granted={key: parts for key, parts in new.items() if key in renewed},
        changed={
            key: _changed(approved[key], parts)
            for key, parts in new.items()
            if key in valid - renewed and approved[key] != parts
        },
    )


def settle(model: ServedModel, found: Review | None, actor: Actor) -> None:
    """In the transaction of the edit. model: as it was before, under its lock; where
    that is not what was reviewed, nothing is approved."""
    if found is None or setup_of(model) != found.before:
        return
    _grant([(model, found.granted)], actor)
    for key, parts in found.changed.items():
        params: dict[str, object] = {"key": key, "changed": parts}
        record("approval_lapsed", model=model, actor=actor, params=params)


def _grant(
    granted: Sequence[tuple[ServedModel, Mapping[str, Parts]]], actor: Actor
) -> None:
    known = _approved_by_model(model.pk for model, _ in granted)
    by = actor.get_username() if actor else ""
    rows: list[Approval] = []
    events: list[Activity] = []
    for model, keys in granted:
        new = {k: parts for k, parts in keys.items() if known[model.pk].get(k) != parts}
        rows += [
            Approval(model=model, key=key, parts=parts, approved_by=by)
            for key, parts in new.items()
        ]
        if new:
            params: dict[str, object] = {"keys": sorted(new)}
            events.append(
                event_of("approval_granted", model=model, actor=actor, params=params)
            )
    Approval.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["model", "key"],
        update_fields=["parts", "approved_by", "approved_at"],
    )  # fmt: skip
    Activity.objects.bulk_create(events)


def _approved(model_id: int) -> dict[str, dict[str, str]]:
    return _approved_by_model([model_id])[model_id]


def _approved_by_model(ids: Iterable[int]) -> dict[int, dict[str, dict[str, str]]]:
    approved: dict[int, dict[str, dict[str, str]]] = defaultdict(dict)
    for row in Approval.objects.filter(model__in=list(ids)):
        approved[row.model_id][row.key] = row.parts
    return approved


def _problem(key: str, approved: Parts | None, parts: Parts) -> Problem:
    changed = _changed(approved, parts) if approved else []
    params: dict[str, object] = {"key": key, "changed": changed}
    return Problem(code="approval_required", field=f"config.{key}", params=params)


def _changed(approved: Parts, parts: Parts) -> list[str]:
    return [part for part in PARTS if approved.get(part) != parts.get(part)]


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
