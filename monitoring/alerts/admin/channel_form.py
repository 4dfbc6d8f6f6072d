"""The form of a notification channel: the checks of the API."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from common.messages import render
from common.problems import Problem
from monitoring.alerts.delivery.editing import problems
from monitoring.alerts.enums import ChannelKind
from monitoring.alerts.models import NotificationChannel

# Fields of the form by fields of the API
PLACES = {
    "config.recipients": "recipients",
    "config.url": "url",
    "secret": "apprise_url",
}
SEPARATORS = re.compile(r"[,;\s，；]+")
OF_KIND = {
    ChannelKind.MAIL: "recipients",
    ChannelKind.WEBHOOK: "url",
    ChannelKind.APPRISE: "apprise_url",
}


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]
    recipients = forms.CharField(
        label=_("Recipients"),
        required=False,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text=_("Mail addresses, separated by commas or spaces."),
    )
    url = forms.CharField(
        label=_("URL"),
        required=False,
        widget=UnfoldAdminTextInputWidget({"spellcheck": "false"}),
        help_text=_("Messages are posted to it, signed as in Standard Webhooks."),
    )
    apprise_url = forms.CharField(
        label=_("Apprise URL"),
        required=False,
        widget=UnfoldAdminTextInputWidget(
            {"spellcheck": "false", "autocomplete": "off"}
        ),
        help_text=_(
            "Such as dingtalk://token, feishu://token, wecombot://key or slack://… It"
            " is stored encrypted and never shown again. Leave empty to keep it."
        ),
    )

    class Meta:
        model = NotificationChannel
        fields = ("name", "kind", "enabled", "language")
        help_texts = {"language": _("Of the messages.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "kind" in self.fields:
            self.fields["kind"].disabled = True
        config = self.instance.config or {}
        self.initial.setdefault("recipients", "\n".join(config.get("recipients", [])))
        self.initial.setdefault("url", config.get("url", ""))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        existing = self.instance if self.instance.pk else None
        cleaned["channel"] = fields = self._fields(cleaned, existing)
        for problem in problems(fields, instance=existing):
            place = PLACES.get(problem.field, problem.field)
            self.add_error(place if place in self.fields else None, _error(problem))
        return cleaned

    def _fields(
        self, cleaned: dict[str, Any], existing: NotificationChannel | None
    ) -> dict[str, Any]:
        """As the API takes them."""
        kind = existing.kind if existing else cleaned.get("kind", "")
        config: dict[str, Any] = {}
        if kind == ChannelKind.MAIL:
            parts = SEPARATORS.split(cleaned.get("recipients", ""))
            config = {"recipients": [part for part in parts if part]}
        elif kind == ChannelKind.WEBHOOK:
            config = {"url": cleaned.get("url", "")}
        fields: dict[str, Any] = {
            k: cleaned[k] for k in ("name", "enabled", "language") if k in cleaned
        }
        secret = cleaned.get("apprise_url", "") if kind == ChannelKind.APPRISE else ""
        return {**fields, "kind": kind, "config": config, "secret": secret}

    def _get_validation_exclusions(self) -> set[str]:
        """The check of names is one of problems()."""
        return {*super()._get_validation_exclusions(), "name"}  # type: ignore[misc]


def _error(problem: Problem) -> forms.ValidationError:
    text = render(problem.code, problem.params)
    return forms.ValidationError(text, code=problem.code)
