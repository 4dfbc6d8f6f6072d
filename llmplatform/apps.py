from django.apps import AppConfig


class LlmPlatformConfig(AppConfig):
    name = "llmplatform"

    def ready(self) -> None:
        from common.messages import register
        from llmplatform import checks, messages  # noqa: F401 -- checks register

        register(messages.REASONS)
