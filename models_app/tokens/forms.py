"""Form of the page that creates a token."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _
from knox.settings import knox_settings
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
)

from models_app.enums import TokenScope
from models_app.models import ApiToken
from models_app.tokens.lifecycle import MAX_DAYS


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    days = forms.IntegerField(
        label=_("Valid for (days)"),
        min_value=1,
        max_value=MAX_DAYS,
        initial=lambda: knox_settings.TOKEN_TTL.days,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    scopes = forms.MultipleChoiceField(
        label=_("Restricted to"),
        required=False,
        choices=TokenScope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("If none is chosen: everything the user may do."),
    )

    class Meta:
        model = ApiToken
        fields = ("user", "name", "allowed_models")
        labels = {"user": _("User")}
        help_texts = {
            "user": _("The token has the permissions of this user."),
            "name": _("Identifies the token, such as the program that uses it."),
            "allowed_models": _(
                "Those that its inference requests may use, also through aliases. If"
                " none is chosen: any model."
            ),
        }
