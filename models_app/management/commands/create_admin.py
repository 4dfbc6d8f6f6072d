import secrets
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

NAME = "admin"


class Command(BaseCommand):
    help = (
        f"Create the account {NAME!r} and print only its random password. Does nothing"
        " if the account exists."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not User.objects.filter(username=NAME).exists():
            password = secrets.token_urlsafe(15)
            User.objects.create_superuser(NAME, password=password)
            self.stdout.write(password)
