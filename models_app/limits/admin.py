"""The page of limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.messages import render
from models_app.admin.base import PlatformAdmin
from models_app.limits.editing import (
    create_limit,
    delete_limit,
    delete_limits,
    update_limit,
)
from models_app.limits.messages import FIELDS
from models_app.limits.models import RANGES, SUBJECTS, Limit
from models_app.limits.validation import problems

NUMBERS = [name for name in RANGES if name not in ("priority", "weight")]


class LimitForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Limit
        fields = (*SUBJECTS, *RANGES)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        stored = Limit.objects.filter(pk=self.instance.pk).first()
        for problem in () if self.errors else problems(cleaned, instance=stored):
            self.add_error(
                problem.field if problem.field in self.fields else None,
                forms.ValidationError(
                    render(problem.code, problem.params), code=problem.code
                ),
            )
        return cleaned

    def _post_clean(self) -> None:
        """Without the checks of the model: problems() has codes for them."""
        for name, value in self.cleaned_data.items():
            setattr(self.instance, name, value)


@admin.register(Limit)
class LimitAdmin(PlatformAdmin):
    form = LimitForm
    autocomplete_fields = tuple(SUBJECTS)
    fieldsets = (
        (
            _("Applies to one of these"),
            {
                "fields": tuple(SUBJECTS),
                "description": _(
                    "All tokens of a user, all members of a group and all callers of a"
                    " model share its limit."
                ),
            },
        ),
        (
            _("Limits"),
            {
                "fields": tuple(NUMBERS[:5]),
                "description": _("Empty fields are not limited."),
            },
        ),
        (_("Queue of a model"), {"fields": tuple(NUMBERS[5:])}),
        (
            _("Order in the queue: tokens, users and groups"),
            {"fields": ("priority", "weight")},
        ),
    )
    list_display = ("subject_kind", "name", "summary", "updated_at")
    list_display_links = ("name",)
    search_fields = (
        "token__name", "token__token_key", "user__username", "group__name",
        "model__name",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limit]:
        limits: QuerySet[Limit] = super().get_queryset(request)
        return limits.select_related(*SUBJECTS)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Limit | None = None
    ) -> Sequence[str]:
        return tuple(SUBJECTS) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Limit | None = None) -> Any:
        """Only what applies to the subject of an existing limit."""
        if obj is None:
            return self.fieldsets
        _subjects, limits, queue, turn = self.fieldsets
        subject = (None, {"fields": (obj.subject,)})
        return (subject, limits, queue if obj.subject == "model" else turn)

    @admin.display(description=_("applies to"))
    def subject_kind(self, limit: Limit) -> str:
        return str(SUBJECTS[limit.subject])

    @admin.display(description=_("name"))
    def name(self, limit: Limit) -> str:
        return limit.subject_name

    @admin.display(description=_("limits"))
    def summary(self, limit: Limit) -> str:
        numbers = {name: getattr(limit, name) for name in RANGES}
        return ", ".join(
            f"{FIELDS[name]}: {number}"
            for name, number in numbers.items()
            if number is not None
        )

    def save_model(
        self, request: HttpRequest, obj: Limit, form: LimitForm, change: bool
    ) -> None:
        if change:
            # Fields left alone may have been changed by others in the meantime.
            changed = {name: form.cleaned_data[name] for name in form.changed_data}
            update_limit(Limit.objects.get(pk=obj.pk), changed, request.user)
        else:
            obj.pk = create_limit(form.cleaned_data, request.user).pk

    def delete_model(self, request: HttpRequest, obj: Limit) -> None:
        delete_limit(obj, request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Limit]) -> None:
        delete_limits(queryset, request.user)
