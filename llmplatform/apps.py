from django.apps import AppConfig


class LlmPlatformConfig(AppConfig):
    name = "llmplatform"

    def ready(self) -> None:
        from llmplatform import checks  # noqa: F401 -- registers them
