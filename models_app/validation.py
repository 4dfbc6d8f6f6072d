"""What may be saved as a served model: one set of rules for API, admin and commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from common.problems import Problem, shorten, wrong_type
from common.storable import MAX_DEPTH, has_unstorable, too_deep
from models_app.activity import Actor
from models_app.aliases.models import ALIAS_LENGTH, ModelAlias
from models_app.models import ServedModel
from models_app.permissions import is_admin
from models_app.ports import config_problems, framework, machine_limits

CONFIG_MAX_BYTES = 256 * 1024
MAX_ALIASES = 20
# At least one letter: digits are an id. What clients send as a model's name.
ALIAS = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
# Paths of the API beside those of models
RESERVED_NAMES = frozenset({"estimate", "preflight"})
SIZES = ("gpu_count", "gpu_memory_mib", "pinned_gpus", "cpu_cores", "memory_mib")
CHECKED = ("name", "aliases", "framework", "driver", "config", *SIZES)


def problems(
    fields: Mapping[str, Any],
    *,
    instance: ServedModel | None,
    actor: Actor = None,
    force: bool = False,
) -> list[Problem]:
    """What is wrong with a new model, or with instance once fields are changed.

    Types and ranges of columns are the caller's. What stays as it is is not checked
    again: a description can be edited after the model file is gone. Without an actor,
    settings for administrators are refused. force: allows a model that is too large for
    every machine; it waits for one.
    """
    before = instance or ServedModel()
    after, changed = _changes(fields, instance)
    found: list[Problem] = [
        *_name(after, before, changed),
        *_aliases(after, before, changed),
    ]
    found += [*_unknown_plugins(after, changed), *_gpus(after)]
    if "config" in changed or ("framework" in changed and instance):
        found += _config(after, before, actor)
    elif "gpu_count" in changed and after["framework"] in settings.FRAMEWORKS:
        found += _new_with_gpus(after, before)
    sized = after["framework"] in settings.FRAMEWORKS and changed & {"config", *SIZES}
    if sized and not force and not found:
        found += machine_limits.get()(after)
    return found


def basic_problems(
    fields: Mapping[str, Any], *, instance: ServedModel | None, actor: Actor
) -> list[Problem]:
    """The problems that can be found without reading files or machines."""
    before = instance or ServedModel()
    after, changed = _changes(fields, instance)
    found: list[Problem] = [*_unknown_plugins(after, changed), *_gpus(after)]
    if "config" in changed:
        malformed = _malformed(after["config"])
        found += (
            [malformed] if malformed else _admin_only(after["config"], before, actor)
        )
    return found


def duplicate_name(name: str) -> Problem:
    return Problem(code="duplicate_name", field="name", params={"value": name})


def _changes(
    fields: Mapping[str, Any], instance: ServedModel | None
) -> tuple[dict[str, Any], set[str]]:
    """The resulting fields, and the names of those that change."""
    before = instance or ServedModel()
    after = {name: fields.get(name, getattr(before, name)) for name in CHECKED}
    changed = {
        name
        for name in CHECKED
        if name in fields and not (instance and after[name] == getattr(before, name))
    }
    return after, changed


def _name(
    after: Mapping[str, Any], before: ServedModel, changed: set[str]
) -> Iterator[Problem]:
    if "name" in changed and after["name"] in RESERVED_NAMES:
        yield Problem(
            code="name_reserved", field="name", params={"value": after["name"]}
        )
    if "name" in changed and after["name"] in _names_of_others(before):
        yield duplicate_name(after["name"])


def _aliases(
    after: Mapping[str, Any], before: ServedModel, changed: set[str]
) -> Iterator[Problem]:
    """Two models that take one alias in the same instant keep it both; the older one
    then answers to it."""
    if "aliases" not in changed:
        return
    taken = {*_names_of_others(before), after["name"]}
    for index, alias in enumerate(after["aliases"]):
        params: dict[str, object] = {"value": shorten(alias), "max": ALIAS_LENGTH}
        if not ALIAS.fullmatch(alias):
            yield Problem(code="invalid_alias", field="aliases", params=params)
        elif alias in taken or alias in after["aliases"][:index]:
            yield Problem(code="duplicate_alias", field="aliases", params=params)
    if len(after["aliases"]) > MAX_ALIASES:
        params = {"value": len(after["aliases"]), "max": MAX_ALIASES}
        yield Problem(code="too_many_aliases", field="aliases", params=params)


def _names_of_others(model: ServedModel) -> set[str]:
    aliases = ModelAlias.objects.values_list("name", flat=True)
    return {*aliases, *names_of(ServedModel.objects.exclude(pk=model.pk))}


def names_of(models: QuerySet[ServedModel]) -> set[str]:
    """With the aliases of each."""
    named = models.values_list("name", "aliases")
    return {text for name, aliases in named for text in (name, *aliases)}


def _unknown_plugins(after: Mapping[str, Any], changed: set[str]) -> Iterator[Problem]:
    known = {"framework": settings.FRAMEWORKS, "driver": settings.DRIVERS}
    for field, names in known.items():
        if field in changed and after[field] not in names:
            params = {"value": after[field], "allowed": list(names)}
            yield Problem(code=f"unknown_{field}", field=field, params=params)


def _gpus(after: Mapping[str, Any]) -> Iterator[Problem]:
    field = "gpu_memory_mib"
    if after[field] and not after["gpu_count"]:
        params = {"value": after[field]}
        yield Problem(code="gpu_memory_without_gpus", field=field, params=params)


def _config(
    after: Mapping[str, Any], before: ServedModel, actor: Actor
) -> Sequence[Problem]:
    config = after["config"]
    if problem := _malformed(config):
        return [problem]
    found: list[Problem] = [*_admin_only(after["config"], before, actor)]
    if after["framework"] in settings.FRAMEWORKS:
        found += config_problems(after["framework"], config, after["gpu_count"])
    return found


def _new_with_gpus(after: Mapping[str, Any], before: ServedModel) -> list[Problem]:
    """The problems that the new number of GPUs causes."""
    name, config = after["framework"], after["config"]
    known = config_problems(name, config, before.gpu_count)
    return [
        p for p in config_problems(name, config, after["gpu_count"]) if p not in known
    ]


def _malformed(config: Any) -> Problem | None:
    """A problem that makes the framework's own checks pointless."""
    if not isinstance(config, dict):
        return wrong_type("config", config, "object")
    if too_deep(config):
        params: dict[str, object] = {"key": "config", "max": MAX_DEPTH}
        return Problem(code="too_deep", field="config", params=params)
    if has_unstorable(config):
        return Problem(code="not_storable", field="config", params={"key": "config"})
    size = len(json.dumps(config, ensure_ascii=False).encode())
    if size > CONFIG_MAX_BYTES:
        params = {"value": size, "max": CONFIG_MAX_BYTES}
        return Problem(code="config_too_large", field="config", params=params)
    return None


def _admin_only(
    config: Mapping[str, Any], before: ServedModel, actor: Actor
) -> Iterator[Problem]:
    """Others may keep a value that an administrator has set, but not change it."""
    keys = {key for name in settings.FRAMEWORKS for key in framework(name).admin_keys}
    new = [k for k in config if k in keys and config[k] != before.config.get(k)]
    if new and not is_admin(actor):
        for key in new:
            params = {"key": key}
            yield Problem(code="admin_only", field=f"config.{key}", params=params)
