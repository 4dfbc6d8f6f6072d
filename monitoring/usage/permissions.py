"""Everybody sees their own usage, administrators everybody's."""

from __future__ import annotations

from typing import Any

VIEW_USAGE = "monitoring.view_usagerecord"
# By group
GRANTED = {"admin": ("view_usagerecord",)}


def sees_everybody(user: Any) -> bool:
    return bool(user.has_perm(VIEW_USAGE))
