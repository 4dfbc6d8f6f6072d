from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from common.exceptions import Invalid
from common.messages import render
from models_app.enums import TokenScope
from models_app.tokens.lifecycle import create_token

USERS_SHOWN = 20


class Command(BaseCommand):
    help = "Create an API token for a user and print only the token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="username")
        parser.add_argument("--name", required=True, help="name to recognise the token")
        parser.add_argument("--days", type=int, help="days until it expires, 1 to 3650")
        parser.add_argument(
            "--scope", action="append", default=[], choices=TokenScope.values,
            help="restrict the token to this; default: everything its user may do",
        )  # fmt: skip

        parser.add_argument(
            "--model", action="append", default=None, metavar="NAME",
            help="a model that it may use, can be repeated; default: any",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["user"])
        try:
            _row, token = create_token(
                user, options["name"], options["days"],
                scopes=options["scope"], models=options["model"],
            )  # fmt: skip
        except Invalid as invalid:
            raise CommandError(str(invalid)) from None
        self.stdout.write(token)


def find_user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        names = User.objects.order_by("username").values_list("username", flat=True)
        params = {"value": name, "allowed": list(names[:USERS_SHOWN])}
        raise CommandError(render("unknown_user", params))
    return user
