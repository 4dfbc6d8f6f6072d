"""Forms of the admin."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.conf import settings
from django.forms.fields import InvalidJSONInput
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from taggit.forms import TagField, TagWidget
from unfold.forms import UserChangeForm, UserCreationForm
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from common.messages import render
from models_app.activity import Actor
from models_app.models import ServedModel
from models_app.ports import framework
from models_app.serializers import MAX_TAGS
from models_app.validation import problems

TAG_LENGTH = 100
NEEDS_STAFF = _(
    "Without this, the user can use the API but not these pages, regardless of groups."
)


class ConfigField(forms.JSONField):
    widget = UnfoldAdminTextareaWidget(
        {"rows": 12, "class": "pf-json", "spellcheck": "false"}
    )

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (RecursionError, ValueError):  # nested too deeply, a number too long
            raise forms.ValidationError(
                self.error_messages["invalid"], code="invalid", params={"value": value}
            ) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was typed is shown again as it was typed."""
        return InvalidJSONInput(data or "")

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value, indent=2, ensure_ascii=False)
        return super().prepare_value(value)


def initial_config(text: str) -> dict[str, Any]:
    """Of a form that an address fills in: only what may be a configuration."""
    try:
        config = json.loads(text)
    except (RecursionError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


class TagsField(TagField):  # type: ignore[misc]
    widget = TagWidget({"class": " ".join(INPUT_CLASSES)})

    def clean(self, value: str | None) -> list[str]:
        tags: list[str] = super().clean((value or "").replace("，", ","))
        if len(tags) > MAX_TAGS or any(len(tag) > TAG_LENGTH for tag in tags):
            raise forms.ValidationError(
                _("At most %(count)s tags of %(length)s characters each."),
                params={"count": MAX_TAGS, "length": TAG_LENGTH},
            )
        return tags


class AliasesField(forms.Field):
    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: str | None) -> list[str]:
        parts = (value or "").replace("，", ",").split(",")
        return [part.strip() for part in parts if part.strip()]


class ServedModelForm(forms.ModelForm):  # type: ignore[type-arg]
    actor: Actor = None

    framework = forms.ChoiceField(
        label=_("Framework"),
        choices=lambda: [(name, name) for name in settings.FRAMEWORKS],
        widget=UnfoldAdminSelectWidget,
    )
    driver = forms.ChoiceField(
        label=_("Driver"),
        choices=lambda: [(name, name) for name in settings.DRIVERS],
        widget=UnfoldAdminSelectWidget,
    )
    config = ConfigField(label=_("Configuration"))
    tags = TagsField(
        label=_("Tags"), required=False, help_text=_("Separated by commas.")
    )
    aliases = AliasesField(
        label=_("Aliases"),
        required=False,
        help_text=_(
            "Other names that inference requests may use, such as llama3:8b. Separated"
            " by commas."
        ),
    )
    force = forms.BooleanField(
        label=_("Save even if no machine is large enough"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("The model waits until there is one."),
    )

    class Meta:
        model = ServedModel
        fields = (
            "name", "display_name", "description", "tags", "aliases",
            "framework", "driver",
            "config", "gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib",
            "priority", "preemptible", "preempts", "placement", "replicas",
            "cache_ttl_s", "input_price", "cached_input_price", "output_price",
        )  # fmt: skip
        widgets = {"description": UnfoldAdminTextareaWidget({"rows": 3})}
        labels = {"name": _("Model name"), "gpu_count": _("GPU count")}
        help_texts = {"display_name": _("Shown in place of the name.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The browser also sends back what it was shown: what differs from that was
        # changed by this user; the others may be edited by somebody else meanwhile.
        for name, field in self.fields.items():
            field.show_hidden_initial = name != "tags"
        # A viewer's page has no fields at all.
        if "config" in self.fields:
            self.fields["config"].help_text = _config_help()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        existing = self.instance if self.instance.pk else None
        force = bool(cleaned.pop("force", False))
        for problem in problems(
            cleaned, instance=existing, actor=self.actor, force=force
        ):
            field = problem.field.split(".")[0]
            if field not in self.errors or field == "config":
                self.add_error(
                    field if field in self.fields else None,
                    forms.ValidationError(
                        render(problem.code, problem.params), code=problem.code
                    ),
                )
        return cleaned


def _config_help() -> str:
    """Keys of each framework, one line per framework."""
    keys = ((name, " ".join(framework(name).keys())) for name in settings.FRAMEWORKS)
    return format_html_join(mark_safe("<br>"), "{}: <code>{}</code>", keys)


class UserForm(UserChangeForm):  # type: ignore[misc]
    class Meta(UserChangeForm.Meta):  # type: ignore[misc]
        help_texts = {"is_staff": NEEDS_STAFF}


class NewUserForm(UserCreationForm):  # type: ignore[misc]
    class Meta(UserCreationForm.Meta):  # type: ignore[misc]
        help_texts = {"is_staff": NEEDS_STAFF}
