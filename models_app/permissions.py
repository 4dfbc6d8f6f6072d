"""The API's permissions, by the view's action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from models_app.roles import ADD, CHANGE, DELETE, OPERATE, VIEW

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

BY_ACTION = {
    "create": ADD,
    "update": CHANGE,
    "partial_update": CHANGE,
    "destroy": DELETE,
    "start": OPERATE,
    "stop": OPERATE,
    "restart": OPERATE,
    "preview": ADD,
    "scan_again": ADD,
    "preflight": ADD,
    "estimate": ADD,
}


class ModelPermissions(BasePermission):
    """Permission by the view's action; what only reads needs to view."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated:
            return False
        action = getattr(view, "action", None)
        if request.method == "OPTIONS" or action is None:
            return user.has_perm(VIEW)
        return user.has_perm(BY_ACTION.get(action, VIEW))
