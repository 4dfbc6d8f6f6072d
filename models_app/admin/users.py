"""People and groups. See models_app/permissions.py for who may change whom."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from models_app.admin.base import PlatformAdmin
from models_app.forms import NewUserForm, UserForm
from models_app.permissions import grantable_groups, manageable_users

admin.site.unregister([User, Group])

ACCOUNT = (None, {"fields": ("username", "password")})
PERSON = (_("Personal info"), {"fields": ("first_name", "last_name", "email")})
RIGHTS = ("is_active", "is_staff", "groups")
DATES = (_("Important dates"), {"fields": ("last_login", "date_joined")})


@admin.register(User)
class UserAdmin(BaseUserAdmin, PlatformAdmin):  # type: ignore[type-arg]
    form = UserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username", "usable_password", "password1", "password2",
                    "is_staff", "groups",
                )
            },
        ),
    )  # fmt: skip
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser")
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        also = ("is_superuser",) if request.user.is_superuser else ()
        rights = (_("Permissions"), {"fields": (*RIGHTS, *also)})
        return (ACCOUNT, PERSON, rights, DATES)

    def has_change_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        permitted: bool = super().has_change_permission(request, obj)
        return permitted and self._may_manage(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: User | None = None
    ) -> bool:
        permitted: bool = super().has_delete_permission(request, obj)
        return permitted and obj != request.user and self._may_manage(request, obj)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "groups":
            kwargs["queryset"] = grantable_groups(request.user)
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def _may_manage(self, request: HttpRequest, user: User | None) -> bool:
        return user is None or manageable_users(request.user).contains(user)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, PlatformAdmin):
    pass
