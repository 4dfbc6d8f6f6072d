from django.contrib import admin
from django.urls import include, path, re_path, reverse_lazy
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.routers import DefaultRouter

from llmplatform.errors import UnknownPath
from models_app.aliases.api import ModelAliases
from models_app.api import ServedModels
from models_app.limits.api import Limits
from models_app.tokens.api import Tokens
from monitoring.alerts.api import AlertRules, Alerts
from monitoring.alerts.delivery.api import Deliveries, NotificationChannels
from monitoring.api import Monitoring, System
from monitoring.exports.api import Exports
from monitoring.logs.api import Logs
from monitoring.prometheus.views import Metrics
from monitoring.usage.api import Usage
from runtimes.api import Drafts
from runtimes.downloads.api import Downloads
from runtimes.library.api import Library
from scheduling.api import Scheduling


class Router(DefaultRouter):
    """Accepts each path with and without a trailing slash."""

    include_format_suffixes = False

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


router = Router()
router.register("models", Drafts, basename="draft")  # before the names of models
router.register("models", ServedModels, basename="model")
router.register("monitoring/exports", Exports, basename="export")
router.register("monitoring", Monitoring, basename="monitoring")
router.register("alerts", Alerts, basename="alert")
router.register("alert-rules", AlertRules, basename="alert-rule")
router.register(
    "notification-channels", NotificationChannels, basename="notification-channel"
)
router.register("alert-deliveries", Deliveries, basename="alert-delivery")
router.register("system", System, basename="system")
router.register("scheduling", Scheduling, basename="scheduling")
router.register("library/downloads", Downloads, basename="download")
router.register("usage", Usage, basename="usage")
router.register("tokens", Tokens, basename="token")
router.register("model-aliases", ModelAliases, basename="model-alias")
router.register("limits", Limits, basename="limit")
router.register("library", Library, basename="library")

to_admin = RedirectView.as_view(url=reverse_lazy("admin:index"))
handler404 = "llmplatform.errors.not_found"
handler400 = "llmplatform.errors.bad_request"
handler500 = "llmplatform.errors.server_error"

urlpatterns = [
    path("", to_admin),
    path("admin", to_admin),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    re_path(r"^metrics/?$", Metrics.as_view()),
    re_path(r"^docs/?$", SpectacularSwaggerSplitView.as_view(), name="docs"),
    re_path(r"^api/schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(
        r"^api/models/(?P<id>[A-Za-z0-9._-]+)/logs/?$", Logs.as_view(), name="logs"
    ),
    path("api", router.get_api_root_view()),
    path("api/", include(router.urls)),
    re_path("^api/", UnknownPath.as_view()),
]
