"""A text that is encrypted in the database, in backups and in dumps."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """By SECRET_KEY; SECRET_KEY_FALLBACKS still decrypt. Empty if none of them does.
    Cannot be searched: the same text is encrypted differently each time."""

    def get_prep_value(self, value: Any) -> str | None:
        text = super().get_prep_value(value)
        return text and _cipher().encrypt(text.encode()).decode()

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        if not value:
            return value
        try:
            return _cipher().decrypt(value).decode()
        except InvalidToken:
            return ""


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_fernet_key(key)) for key in keys])


def _fernet_key(secret: str) -> bytes:
    digest = hashlib.sha256(b"common.fields:" + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest)
