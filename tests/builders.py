"""Plain builders of rows: one keyword per thing a test cares about."""

from django.contrib.auth.models import Group, User
from django.utils import timezone

from common import clock
from common.models import new_uid
from models_app.accounts.recording import unrecorded
from models_app.aliases.models import ModelAlias
from models_app.enums import RunState, Status
from models_app.models import ApiToken, Run, ServedModel
from runtimes.models import Node


def a_model(name="smol", **fields) -> ServedModel:
    defaults = {"config": {"model_path": "/models/smol.gguf"}}
    return ServedModel.objects.create(name=name, **{**defaults, **fields})


def a_wanted_model(name="smol", **fields) -> ServedModel:
    defaults = {
        "desired_state": "running",
        "status": Status.STARTING,
        "generation": 1,
        "waiting_since": timezone.now(),
    }
    return a_model(name, **{**defaults, **fields})


def a_run(model: ServedModel, state=RunState.SCHEDULED, **fields) -> Run:
    served = state in (RunState.READY, RunState.DRAINING)
    ended = state == RunState.ENDED
    uid = new_uid()
    gone = {"uid": uid, "pid": 1, "started": 1, "boot_id": "x", "engine_pid": 1}
    defaults = {
        "uid": uid,
        "state": state,
        "generation": model.generation,
        "framework": model.framework,
        "driver": model.driver,
        "config": model.config,
        "node": "here",
        "port": 21000 + Run.objects.count(),
        "cpu_cores": 1,
        "memory_mib": 0,
        "boot_id": clock.boot_id(),
        "handle": gone if served else None,
        "ready_at": timezone.now() if served else None,
        "ended_at": timezone.now() if ended else None,
        "ended_uptime": clock.uptime() if ended else None,
        "end_code": "crashed" if ended else "",
    }
    return Run.objects.create(model=model, **{**defaults, **fields})


def an_alias(name: str, *targets, **fields) -> ModelAlias:
    """targets: models, or pairs of a model and its weight."""
    alias = ModelAlias.objects.create(name=name, **fields)
    pairs = [each if isinstance(each, tuple) else (each, 1) for each in targets]
    for position, (model, weight) in enumerate(pairs):
        alias.targets.create(model=model, position=position, weight=weight)
    return alias


def a_user(group: str = "", name: str | None = None, **fields) -> User:
    with unrecorded():
        user = User.objects.create_user(
            name or group or "nobody", password="pw", **fields
        )
        if group:
            user.groups.add(Group.objects.get(name=group))
    return user


def a_token(user: User, name="test", **fields) -> str:
    _, token = ApiToken.objects.create(user=user, name=name, **fields)
    return token


def a_node(name="here", gpus=(), **fields) -> Node:
    defaults = {
        "cpu_cores": 8,
        "memory_mib": 64_000,
        "boot_id": clock.boot_id(),
        "seen_at": timezone.now(),
    }
    node, _ = Node.objects.get_or_create(name=name, defaults={**defaults, **fields})
    for index, memory in enumerate(gpus):
        node.gpus.create(
            uuid=f"GPU-{name}-{index}", index=index, name="fake", memory_mib=memory
        )
    return node
