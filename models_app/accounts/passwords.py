"""Reject passwords that are a common one with the usual decorations."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

DECORATION = re.compile(r"^[\W\d_]+|[\W\d_]+$")
DISGUISES = str.maketrans("013457@$!", "oleastasi")
# With so many other characters beside it, a common word does no harm.
ENOUGH_OTHERS = 10
MIN_DIFFERENT = 5


class DecoratedPasswordValidator:
    """Password123! and P@ssw0rd2024 are guessed as early as password is."""

    def __init__(self) -> None:
        self.common: set[str] = CommonPasswordValidator().passwords

    def validate(self, password: str, user: User | None = None) -> None:
        lower = password.lower()
        core = DECORATION.sub("", lower)
        undisguised = [word.translate(DISGUISES) for word in (core, lower)]
        cores = {core, *(DECORATION.sub("", word) for word in undisguised)}
        is_common = any(
            core in self.common and len(password) - len(core) < ENOUGH_OTHERS
            for core in cores
        )
        if is_common or len(set(lower)) < MIN_DIFFERENT:
            raise ValidationError(self.get_help_text(), code="password_too_common")

    def get_help_text(self) -> str:
        return _(
            "Your password can’t be a common word with digits or symbols around it, or"
            " a few characters repeated."
        )
