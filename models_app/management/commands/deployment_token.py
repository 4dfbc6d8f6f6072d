from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.crypto import hash_token

from models_app.models import ApiToken
from models_app.tokens.lifecycle import create_token, delete_token

NAME = "deploy"


class Command(BaseCommand):
    help = "Ensure that DATA_DIR/api_token contains a valid token of 'admin'."

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.DATA_DIR / "api_token"
        if works(path):
            return
        admin = User.objects.filter(username="admin", is_active=True).first()
        if admin is None:
            raise CommandError(_("There is no active account 'admin'."))
        # The lost token may be in the wrong hands: revoke it.
        for lost in ApiToken.objects.filter(user=admin, name=NAME):
            delete_token(lost, actor=admin)
        _row, token = create_token(admin, NAME, actor=admin)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"{token}\n")


def works(path: Path) -> bool:
    if not path.exists():
        return False
    known = ApiToken.objects.filter(digest=hash_token(path.read_text().strip()))
    current = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
    return bool(known.filter(current, user__is_active=True).exists())
