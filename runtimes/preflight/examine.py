"""Would this model start here: a line for each subject, always in the same order.

What cannot be looked at, because of what another line says, is left out. Nothing is
started and nothing written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from common.exceptions import PlatformError
from common.messages import advise, render
from common.problems import Problem
from models_app.models import ServedModel
from runtimes.checks.finding import Finding, Level, error
from runtimes.equipment import look
from runtimes.machine.limits import too_large
from runtimes.ports import planner
from runtimes.preflight import machine_lines, model_lines
from runtimes.preflight.model_lines import Asked
from runtimes.preflight.subjects import SIZES, SUBJECTS, room_of, subject_of
from runtimes.registry import driver, framework

LIMITED = (
    *("framework", "config", "gpu_count", "gpu_memory_mib", "pinned_gpus"),
    *("cpu_cores", "memory_mib"),
)


def examine(model: ServedModel) -> list[Finding]:
    """Of a model as it is, saved or not; its config of any content."""
    try:
        rules = framework(model.framework)
        seen = look(rules, model.driver, model.config, model.gpu_count)
        asked = Asked(
            model=model,
            driver=driver(model.driver),
            rules=rules,
            seen=seen,
            forecast=planner.get().forecast(model),
        )
    except PlatformError as missing:
        advised = _("Choose one that there is.")
        return [error("config", str(missing), advised)]
    return [*_lines(asked)]


def is_ok(findings: Iterable[Finding]) -> bool:
    return not any(finding.level == Level.ERROR for finding in findings)


def _lines(asked: Asked) -> Iterator[Finding]:
    fields = {name: getattr(asked.model, name) for name in LIMITED}
    troubles: dict[str, list[Problem]] = defaultdict(list)
    for problem in asked.seen.problems:
        troubles[subject_of(problem)].append(problem)
    for problem in too_large(fields):
        troubles[room_of(problem)].append(problem)
    asked = asked.with_troubles(troubles)
    looks = {**model_lines.LOOKS, **machine_lines.LOOKS}
    for subject in SUBJECTS:
        if subject in troubles:
            yield _trouble(subject, troubles[subject])
        elif subject == "placement" and troubles.keys() & SIZES:
            continue  # it would be asked of machines that are too small
        elif finding := looks[subject](asked):
            yield finding


def _trouble(subject: str, problems: Sequence[Problem]) -> Finding:
    """Each sentence of advice once."""
    words = " ".join(render(p.code, p.params) for p in problems)
    usual = _("Ask for less, or use a larger machine.")
    if subject == "config":
        usual = _("Correct the configuration.")
    advised = [advise(p.code, p.params) or usual for p in problems]
    return error(subject, words, " ".join(dict.fromkeys(advised)))
