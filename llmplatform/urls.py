from django.contrib import admin
from django.urls import include, path, reverse_lazy
from django.views.generic import RedirectView

to_admin = RedirectView.as_view(url=reverse_lazy("admin:index"))

urlpatterns = [
    path("", to_admin),
    path("admin", to_admin),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
]
