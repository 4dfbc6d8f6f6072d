"""Whether a model would start here: one line per subject, always in the same order.

A subject that cannot be examined because of another line's error is left out. Nothing
is started or written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from common.exceptions import PlatformError
from common.messages import advise, render
from common.problems import Problem
from models_app import approvals
from models_app.activity import Actor
from models_app.models import ServedModel
from models_app.permissions import is_admin
from runtimes.checks.finding import Finding, Level, error
from runtimes.inspection import inspect
from runtimes.machine.limits import too_large
from runtimes.ports import planner
from runtimes.preflight import machine_lines, model_lines
from runtimes.preflight.model_lines import Candidate
from runtimes.preflight.subjects import SIZES, SUBJECTS, size_subject_of, subject_of
from runtimes.registry import driver, framework

LIMITED = (
    *("framework", "config", "gpu_count", "gpu_memory_mib", "pinned_gpus"),
    *("cpu_cores", "memory_mib"),
)


def preflight(model: ServedModel, actor: Actor = None) -> list[Finding]:
    """The model need not be saved, nor its config be valid. actor: who would save it;
    what administrators save, they approve."""
    try:
        rules = framework(model.framework)
        inspection = inspect(rules, model.driver, model.config, model.gpu_count)
        candidate = Candidate(
            model=model,
            driver=driver(model.driver),
            rules=rules,
            inspection=inspection,
            forecast=planner.get().forecast(model),
        )
    except PlatformError as missing:
        advice = _("Choose an installed framework and driver.")
        return [error("config", str(missing), advice)]
    return [*_lines(candidate, _lapsed(candidate, actor))]


def is_ok(findings: Iterable[Finding]) -> bool:
    return not any(finding.level == Level.ERROR for finding in findings)


def _lapsed(candidate: Candidate, actor: Actor) -> list[Problem]:
    model = candidate.model
    if model.pk is None or candidate.inspection.problems:
        return []
    setup = approvals.setup_of(model)
    if not setup.keys():
        return []
    if is_admin(actor):
        saved = ServedModel.objects.filter(pk=model.pk).first()
        if saved and approvals.setup_of(saved) != setup:
            return []
    return approvals.missing(model.pk, setup)


def _lines(candidate: Candidate, lapsed: Iterable[Problem]) -> Iterator[Finding]:
    fields = {name: getattr(candidate.model, name) for name in LIMITED}
    problems: dict[str, list[Problem]] = defaultdict(list)
    for problem in (*candidate.inspection.problems, *lapsed):
        problems[subject_of(problem)].append(problem)
    for problem in too_large(fields):
        problems[size_subject_of(problem)].append(problem)
    candidate = candidate.with_problems(problems)
    lines = {**model_lines.LINES, **machine_lines.LINES}
    for subject in SUBJECTS:
        if subject in problems:
            yield _problem_line(subject, problems[subject])
        elif subject == "placement" and problems.keys() & SIZES:
            continue  # no machine is large enough
        elif finding := lines[subject](candidate):
            yield finding


def _problem_line(subject: str, problems: Sequence[Problem]) -> Finding:
    """The same advice is given once."""
    message = " ".join(render(p.code, p.params) for p in problems)
    usual = _("Request less, or use a larger machine.")
    if subject == "config":
        usual = _("Correct the configuration.")
    advice = [advise(p.code, p.params) or usual for p in problems]
    return error(subject, message, " ".join(dict.fromkeys(advice)))
