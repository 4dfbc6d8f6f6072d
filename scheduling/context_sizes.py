"""Smaller context lengths of a model, and what it would need with each of them.

Sizes stay what the operator declared, less what a smaller context saves by the
estimate. Estimates read model files, so ticks never call this.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from common.exceptions import PlatformError
from models_app.activity import Actor
from models_app.editing import update_model
from models_app.models import ServedModel
from runtimes.frameworks.base import Estimate, Framework, Share
from runtimes.registry import framework
from scheduling.planner.types import Context

SIZES = tuple(2**power for power in range(19, 8, -1))  # 524288 to 512


def smaller_contexts(model: ServedModel) -> tuple[Context, ...]:
    """The current one, then smaller ones, largest first; empty without an estimate."""
    try:
        rules = framework(model.framework)
    except PlatformError:
        return ()
    config = model.config
    # A smaller context frees nothing of what fills all the memory it is given.
    if rules.fills_memory or rules.check(config, model_roots=settings.MODEL_ROOTS):
        return ()
    current = rules.memory(config, model.gpu_count)
    if not isinstance(current, Estimate):
        return ()
    return (
        Context(current.n_ctx, model.gpu_memory_mib, model.memory_mib),
        *_smaller(model, rules, current),
    )


def lower_context(model: ServedModel, to: int, actor: Actor = None) -> None:
    """Does nothing unless `to` is offered: an outdated page must not raise the context.
    Live runs keep theirs until the model is restarted."""
    contexts = smaller_contexts(model)[1:]
    key = framework(model.framework).context_key if contexts else ""
    for context in contexts:
        if context.n_ctx == to:
            changes = {
                "config": {**model.config, key: to},
                "gpu_memory_mib": context.gpu_memory_mib,
                "memory_mib": context.memory_mib,
            }
            update_model(model, changes, actor)


def _smaller(
    model: ServedModel, rules: Framework, current: Estimate
) -> Iterator[Context]:
    for n_ctx in SIZES:
        if n_ctx >= current.n_ctx:
            continue
        config = {**model.config, rules.context_key: n_ctx}
        less = rules.memory(config, model.gpu_count)
        if not isinstance(less, Estimate):
            return
        gpu = _declared(model.gpu_memory_mib, current.gpu, less.gpu)
        host = _declared(model.memory_mib, current.host, less.host)
        if gpu is None or host is None:  # declared less than would be saved
            return
        yield Context(n_ctx, gpu, host)


def _declared(mib: int, current: Share, less: Share) -> int | None:
    if mib == 0:
        return 0
    saved = mib - (current.total_mib - less.total_mib)
    return saved if saved > 0 else None
