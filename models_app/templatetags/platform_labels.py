"""Labels of kinds, and coloured ones of states."""

from __future__ import annotations

from django import template

from models_app.enums import kind_label
from models_app.models import Run, ServedModel

register = template.Library()

COLOURS = {
    "starting": "info",
    "running": "success",
    "stopping": "warning",
    "error": "danger",
    "waiting": "warning",
    "scheduled": "info",
    "ready": "success",
    "draining": "warning",
    "terminating": "warning",
    "killing": "danger",
    # Alerts
    "info": "info",
    "warning": "warning",
    "critical": "danger",
    "pending": "warning",
    "firing": "danger",
    "no_data": "warning",
    "resolved": "success",
    "ok": "success",
}
LABEL = "unfold/helpers/label.html"

register.filter(kind_label)


@register.inclusion_tag(LABEL)
def status_label(model: ServedModel) -> dict[str, str]:
    return label(model.status, model.get_status_display())


@register.inclusion_tag(LABEL)
def state_label(run: Run) -> dict[str, str]:
    return label(run.state, run.get_state_display())


@register.inclusion_tag(LABEL, name="label")
def label_tag(code: str, text: str) -> dict[str, str]:
    return label(code, text)


def label(code: str, text: str) -> dict[str, str]:
    return {"text": text, "variant": COLOURS.get(code, "")}
