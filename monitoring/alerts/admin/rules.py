"""Alert rules: a list of sentences, and an editor with a backtest."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from models_app.admin.base import PlatformAdmin
from models_app.templatetags.platform_labels import LABEL, label
from monitoring.alerts.editing import create_rule, delete_rule, update_rule
from monitoring.alerts.forms import RuleForm, aggregates_by_metric
from monitoring.alerts.models import AlertRule
from monitoring.alerts.sentences import rule_description, rule_name, rule_sentence
from monitoring.panels import page_data

PAGES = "monitoring/alerts"


@admin.register(AlertRule)
class AlertRuleAdmin(PlatformAdmin):
    form = RuleForm
    fieldsets = (
        (None, {"fields": ("name", "description", "enabled", "severity")}),
        (
            _("Condition"),
            {
                "fields": (
                    "metric", "aggregate", "window_s", "comparison", "threshold",
                    "clear_threshold", "for_s", "keep_firing_for_s", "min_count",
                    "scope",
                )
            },
        ),
        (_("Messages"), {"fields": ("channels", "repeat_interval_s")}),
    )  # fmt: skip
    list_display = ("sentence", "state_label", "severity_label", "sends_to", "enabled")
    list_filter = ("severity", "state", "enabled")
    search_fields = ("name", "description", "metric")
    change_form_outer_after_template = f"{PAGES}/backtest.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        rules: QuerySet[AlertRule] = super().get_queryset(request)
        return rules.prefetch_related("channels")

    @admin.display(description=_("rule"), ordering="name")
    def sentence(self, rule: AlertRule) -> SafeString:
        context = {
            "name": rule_name(rule),
            "sentence": rule_sentence(rule),
            "description": rule_description(rule),
        }
        return render_to_string(f"{PAGES}/rule.html", context)

    @admin.display(description=_("state"), ordering="state")
    def state_label(self, rule: AlertRule) -> SafeString:
        if not rule.enabled:
            return render_to_string(LABEL, label("", str(_("Disabled"))))
        return render_to_string(LABEL, label(rule.state, rule.get_state_display()))

    @admin.display(description=_("severity"), ordering="severity")
    def severity_label(self, rule: AlertRule) -> SafeString:
        shown = label(rule.severity, rule.get_severity_display())
        return render_to_string(LABEL, shown)

    @admin.display(description=_("channels"))
    def sends_to(self, rule: AlertRule) -> str:
        return ", ".join(channel.name for channel in rule.channels.all())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        shown = {
            "monitoring": {**page_data([]), "metrics": aggregates_by_metric()},
            "rule_sentence": self._sentence(request, object_id),
        }
        context = {**(extra_context or {}), **shown}
        return super().changeform_view(request, object_id, form_url, context)

    def _sentence(self, request: HttpRequest, object_id: str | None) -> str:
        rule = self.get_object(request, object_id) if object_id else None
        return rule_sentence(rule) if rule else ""

    def save_model(
        self, request: HttpRequest, obj: AlertRule, form: RuleForm, change: bool
    ) -> None:
        fields = {
            name: [each.pk for each in value] if name == "channels" else value
            for name, value in form.cleaned_data.items()
        }
        if change:
            # Fields left alone may have been changed by others in the meantime.
            changed = {name: fields[name] for name in form.changed_data}
            update_rule(AlertRule.objects.get(pk=obj.pk), changed, request.user)
        else:
            obj.pk = create_rule(fields, request.user).pk

    def save_related(self, *args: Any, **kwargs: Any) -> None:
        """Channels are saved by the verbs."""

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        delete_rule(obj, request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[AlertRule]
    ) -> None:
        for rule in queryset:
            delete_rule(rule, request.user)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Alerts stay when their rule goes."""
        rules = [str(rule) for rule in objs]
        return rules, {str(self.opts.verbose_name_plural): len(rules)}, set(), []
