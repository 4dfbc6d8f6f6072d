from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class RuntimesConfig(AppConfig):
    name = "runtimes"
    verbose_name = _("Engines")

    def ready(self) -> None:
        from common import jobs
        from common.messages import register
        from models_app import ports
        from runtimes import inspection, messages, registry, sizing
        from runtimes.downloads import messages as downloads
        from runtimes.downloads.jobs import Downloads
        from runtimes.fingerprint import fingerprint
        from runtimes.frameworks.mounts import mounts
        from runtimes.installations import messages as installations
        from runtimes.installations.pulls import Pulls
        from runtimes.library import messages as library
        from runtimes.logs import read
        from runtimes.machine import limits
        from runtimes.supervision import messages as supervision

        mounts.seconds = settings.MODEL_ROOT_SECONDS
        for part in (messages, downloads, installations, library, supervision):
            register(part.REASONS)
        ports.frameworks.provide(registry.framework)
        ports.machine_limits.provide(limits.problems)
        ports.default_sizes.provide(sizing.defaults)
        ports.detected_fields.provide(inspection.detected_fields)
        ports.fingerprint.provide(fingerprint)
        ports.log_tail.provide(read.tail)
        jobs.register(Downloads())
        jobs.register(Pulls())
