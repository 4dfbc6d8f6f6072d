"""Lines about the planner's forecast for the model."""

from __future__ import annotations

from django.utils.translation import gettext as _

from common.messages import find, render
from runtimes.checks.finding import Finding, error, ok, warning
from runtimes.ports import Forecast
from runtimes.preflight.model_lines import Candidate
from runtimes.preflight.subjects import SIZES


def shortage_of(
    subject: str, forecast: Forecast, before: str = "", after: str = ""
) -> Finding | None:
    """An error if no machine could ever run it, a warning if it would wait. before,
    after: text around the message."""
    lack = forecast.shortage
    if lack is None or find(lack.code).subject != subject:
        return None
    message = " ".join(filter(None, [before, render(lack.code, lack.params), after]))
    if forecast.impossible:
        return error(subject, message, _advice(subject))
    return warning(subject, message, would_wait())


def line(candidate: Candidate) -> Finding | None:
    """None if another line explains why the model would wait."""
    forecast = candidate.forecast
    if forecast.victims:
        return _evicts(forecast)
    if forecast.shortage is None:
        where = ", ".join(forecast.machines)
        return ok(
            "placement", _("It would start on %(machines)s.") % {"machines": where}
        )
    code = forecast.shortage.code
    if code == "no_node" or find(code).subject in SIZES:
        return None
    message = render(forecast.shortage.code, forecast.shortage.params)
    return warning("placement", message, would_wait())


def would_wait() -> str:
    return _("It would wait until enough resources are free.")


def _evicts(forecast: Forecast) -> Finding:
    message = _("Starting it on %(machines)s would stop: %(models)s.") % {
        "machines": ", ".join(forecast.machines),
        "models": ", ".join(
            _("%(model)s (priority %(priority)s)")
            % {"model": victim.name, "priority": victim.priority}
            for victim in forecast.victims
        ),
    }
    return warning("placement", message, _("Lower its priority to keep them running."))


def _advice(subject: str) -> str:
    if subject == "gpus":
        return _(
            "Open a GPU under Machines and GPUs, or request fewer GPUs or less memory."
        )
    return _("Request less, or use a larger machine.")
