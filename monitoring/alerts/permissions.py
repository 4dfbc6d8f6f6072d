"""Who may do what with alerts: viewers read, operators acknowledge and silence,
administrators edit rules and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission

if TYPE_CHECKING:
    from rest_framework.request import Request

VIEW_ALERTS = "monitoring.view_alert"
OPERATE_ALERTS = "monitoring.operate_alert"
VIEW_RULES = "monitoring.view_alertrule"
ADD_RULES = "monitoring.add_alertrule"
CHANGE_RULES = "monitoring.change_alertrule"
DELETE_RULES = "monitoring.delete_alertrule"
VIEW_CHANNELS = "monitoring.view_notificationchannel"
ADD_CHANNELS = "monitoring.add_notificationchannel"
CHANGE_CHANNELS = "monitoring.change_notificationchannel"
DELETE_CHANNELS = "monitoring.delete_notificationchannel"
VIEW_DELIVERIES = "monitoring.view_delivery"
CHANGE_DELIVERIES = "monitoring.change_delivery"

_VIEWER = ("view_alert", "view_alertrule")
_OPERATOR = (*_VIEWER, "operate_alert")
# By group
GRANTED = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "admin": (
        *_OPERATOR, "add_alertrule", "change_alertrule", "delete_alertrule",
        "view_notificationchannel", "add_notificationchannel",
        "change_notificationchannel", "delete_notificationchannel",
        "view_delivery", "change_delivery",
    ),
}  # fmt: skip


class ByAction(BasePermission):
    """`may` of the view: the permission that each of its actions needs. Any other
    action needs the one of "list"."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.may.get(view.action or "list", view.may["list"])
        return bool(request.user.is_authenticated and request.user.has_perm(needed))
