"""The page of aliases of several models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from common.messages import render
from common.problems import Problem
from models_app.admin.base import PlatformAdmin
from models_app.aliases.editing import create_alias, delete_aliases, update_alias
from models_app.aliases.models import AliasTarget, Mode, ModelAlias
from models_app.aliases.validation import MAX_TARGETS, Target, problems

AT_THE_END = 2**15


class ModelAliasForm(forms.ModelForm):  # type: ignore[type-arg]
    def clean(self) -> dict[str, Any]:
        """Without the checks of the model: problems() has codes for them."""
        stored = ModelAlias.objects.filter(pk=self.instance.pk).first()
        for problem in () if self.errors else problems(self.cleaned_data, stored):
            self.add_error(problem.field, _error(problem))
        return self.cleaned_data


class TargetForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        help_texts = {"position": _("1 comes first. If empty, at the end.")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "position" in self.fields:
            self.fields["position"].required = False
        if self.instance.pk is None:
            self.initial["position"] = None

    def clean(self) -> dict[str, Any]:
        """The formset checks what several rows have in common."""
        if self.cleaned_data.get("position") is None:
            self.cleaned_data["position"] = AT_THE_END
        return self.cleaned_data


class Targets(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    def clean(self) -> None:
        if not any(self.errors):
            found = problems({"targets": self.targets()})
            if found:
                raise forms.ValidationError([_error(each) for each in found])

    def targets(self) -> list[Target]:
        rows = [form for form in self.forms if form.cleaned_data.get("model")]
        kept = [row for row in rows if not row.cleaned_data.get("DELETE")]
        data = [row.cleaned_data for row in sorted(kept, key=_place)]
        return [Target(row["model"], row["weight"]) for row in data]


class TargetInline(TabularInline):  # type: ignore[misc]
    model = AliasTarget
    form = TargetForm
    formset = Targets
    fields = ("model", "weight", "position")
    autocomplete_fields = ("model",)
    extra = 0
    min_num = 1
    max_num = MAX_TARGETS
    verbose_name = _("model")
    verbose_name_plural = _("models")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AliasTarget]:
        targets: QuerySet[AliasTarget] = super().get_queryset(request)
        return targets.select_related("model")


@admin.register(ModelAlias)
class ModelAliasAdmin(PlatformAdmin):
    form = ModelAliasForm
    inlines = (TargetInline,)
    fieldsets = ((None, {"fields": ("name", "description", "mode", "enabled")}),)
    list_display = ("name", "mode", "models", "enabled", "updated_at")
    search_fields = ("name", "description", "targets__model__name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelAlias]:
        aliases: QuerySet[ModelAlias] = super().get_queryset(request)
        return aliases.prefetch_related("targets__model")

    @admin.display(description=_("models"))
    def models(self, alias: ModelAlias) -> str:
        targets = list(alias.targets.all())
        if alias.mode == Mode.FALLBACK:
            return " → ".join(target.model.name for target in targets)
        total = sum(target.weight for target in targets)
        shares = ((each.model.name, each.weight / total) for each in targets)
        return ", ".join(f"{name} {share:.0%}" for name, share in shares)

    def save_model(
        self, request: HttpRequest, obj: ModelAlias, form: Any, change: bool
    ) -> None:
        """save_related() has the models, too."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        fields = {**form.cleaned_data, "targets": formsets[0].targets()}
        if change:
            # What was left alone may have been changed by others in the meantime.
            changed = [*form.changed_data]
            changed += ["targets"] if formsets[0].has_changed() else []
            update_alias(form.instance, {k: fields[k] for k in changed}, request.user)
        else:
            form.instance.pk = create_alias(fields, request.user).pk

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Formsets that were not saved have no list of what they changed."""
        changes: Any = super().construct_change_message(request, form, None, add)
        if not add and formsets[0].has_changed():
            changes.append({"changed": {"fields": ["models"]}})
        return changes

    def delete_model(self, request: HttpRequest, obj: ModelAlias) -> None:
        delete_aliases([obj], request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: Iterable[ModelAlias]
    ) -> None:
        delete_aliases(queryset, request.user)


def _place(row: forms.ModelForm[Any]) -> tuple[int, bool]:
    """A row that was given the position of another comes before it."""
    return row.cleaned_data["position"], "position" not in row.changed_data


def _error(problem: Problem) -> forms.ValidationError:
    return forms.ValidationError(
        render(problem.code, problem.params), code=problem.code
    )
