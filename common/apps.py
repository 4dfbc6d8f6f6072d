from django.apps import AppConfig


class CommonConfig(AppConfig):
    """No tables of its own: an app for the sake of its command."""

    name = "common"
