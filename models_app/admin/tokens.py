"""API tokens: made, listed and revoked; shown once and stored nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import ForeignKey, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from common.problems import shorten
from models_app.admin.base import COPY_SCRIPT, PlatformAdmin, short_time
from models_app.enums import Status
from models_app.models import ApiToken
from models_app.permissions import USE, manageable_users
from models_app.tokens.examples import (
    PLACEHOLDER,
    example_model,
    examples,
    gateway_url,
    may_infer,
)
from models_app.tokens.forms import TokenForm
from models_app.tokens.lifecycle import create_token, delete_token, delete_tokens

VIEW_TOKENS = "models_app.view_apitoken"
CREATED = "admin/models_app/apitoken/created.html"


@admin.register(ApiToken)
class ApiTokenAdmin(PlatformAdmin):
    form = TokenForm
    fields = ("user", "name", "days", "scopes", "allowed_models")
    readonly_fields = ("expires_at", "restriction", "models", "last_used")
    shown_fields = ("user", "name", *readonly_fields)
    autocomplete_fields = ("allowed_models",)
    list_display = (
        "name",
        "owner",
        "prefix",
        "restriction",
        "models",
        "created_at",
        "expires_at",
        "last_used",
        "revoke",
    )
    list_display_links = None
    search_fields = ("name", "user__username", "token_key")

    class Media:
        js = (COPY_SCRIPT,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        tokens: QuerySet[ApiToken] = super().get_queryset(request)
        tokens = tokens.select_related("user")  # actions need them as well
        tokens = tokens.prefetch_related("allowed_models")
        own = Q(user=request.user)
        if not request.user.has_perm(VIEW_TOKENS):
            return tokens.filter(own)
        return tokens.filter(own | Q(user__in=manageable_users(request.user)))

    # Everybody sees and revokes their own tokens.

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is None else self.shown_fields

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is None or self._may_see(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None or obj.user_id == request.user.pk:
            return True
        permitted: bool = super().has_delete_permission(request, obj)
        return permitted and self._may_see(request, obj)

    def get_deleted_objects(
        self, objs: Iterable[ApiToken], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """They are rows of get_queryset: no query for each."""
        tokens, user = list(objs), request.user.pk
        may_others = super().has_delete_permission(request)
        may = may_others or all(token.user_id == user for token in tokens)
        lacking = set() if may else {str(self.opts.verbose_name)}
        counts = {str(self.opts.verbose_name_plural): len(tokens)}
        return [str(token) for token in tokens], counts, lacking, []

    def _may_see(self, request: HttpRequest, token: ApiToken) -> bool:
        return self.get_queryset(request).filter(pk=token.pk).exists()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may use models creates tokens for that, of their own."""
        return request.user.has_perm(USE) or super().has_add_permission(request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"user": request.user.pk, **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        users = manageable_users(request.user).filter(is_active=True)
        if not super().has_add_permission(request):
            users = User.objects.filter(pk=request.user.pk or 0)
        kwargs["queryset"] = users
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("user"), ordering="user__username")
    def owner(self, token: ApiToken) -> str:
        return str(token.user)

    @admin.display(description=_("created"), ordering="created")
    def created_at(self, token: ApiToken) -> str:
        return short_time(token.created)

    @admin.display(description=_("expires"), ordering="expiry")
    def expires_at(self, token: ApiToken) -> str:
        if token.is_expired:
            return _("%(time)s (expired)") % {"time": short_time(token.expiry)}
        return short_time(token.expiry)

    @admin.display(description=_("last used"), ordering="last_used_at")
    def last_used(self, token: ApiToken) -> str:
        if token.last_used_at is None:
            return str(_("never"))
        return date_format(localtime(token.last_used_at), "Y-m-d H:i")

    @admin.display(description=_("prefix"))
    def prefix(self, token: ApiToken) -> str:
        return f"{token.token_key}…"

    @admin.display(description=_("restricted to"))
    def restriction(self, token: ApiToken) -> str:
        return ", ".join(token.scope_labels)

    @admin.display(description=_("models"))
    def models(self, token: ApiToken) -> str:
        names = token.model_names
        if names is None:
            return str(_("any"))
        return shorten(", ".join(names)) or str(_("none"))

    @admin.display(description=_("revoke"))
    def revoke(self, token: ApiToken) -> SafeString:
        url = reverse("admin:models_app_apitoken_delete", args=[token.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', url, _("Revoke"))

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: TokenForm, change: bool
    ) -> None:
        chosen = form.cleaned_data
        made, secret = create_token(
            chosen["user"],
            chosen["name"],
            days=chosen["days"],
            actor=request.user,
            scopes=chosen["scopes"],
            models=[model.name for model in chosen["allowed_models"]] or None,
        )
        obj.pk, obj.token_key, obj.expiry = made.pk, made.token_key, made.expiry
        obj.scopes, obj.any_model = made.scopes, made.any_model
        obj.secret = secret

    def response_add(
        self, request: HttpRequest, obj: ApiToken, post_url_continue: Any = None
    ) -> HttpResponse:
        """The answer to the POST itself: nothing in between has to keep the token."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("API token created"),
            "opts": self.opts,
            "media": self.media,
            "token": obj,
            "secret": obj.secret,
            **_example(request, obj),
        }
        return TemplateResponse(request, CREATED, context)

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        delete_token(obj, request.user)

    def delete_queryset(
        self, request: HttpRequest, queryset: QuerySet[ApiToken]
    ) -> None:
        delete_tokens(queryset, request.user)


def _example(request: HttpRequest, token: ApiToken) -> dict[str, Any]:
    """Nothing for tokens that cannot send inference requests."""
    if not may_infer(token):
        return {}
    url = gateway_url(f"{request.scheme}://{request.get_host()}")
    model = example_model(token)
    name = model.name if model else PLACEHOLDER
    return {
        "gateway_url": url,
        "model": model,
        "examples": examples(url, token.secret, name),
        "is_running": model is not None and model.status == Status.RUNNING,
    }
