"""Addresses of the hub."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from lilong.web import accelerators, desks, pages
from lilong.web.api import agent_api, api
from lilong.web.metrics_page import show_metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    path("agent/v1/", agent_api.urls),
    path("account/", include("lilong.foundation.members.pages.urls")),
    path("", include("lilong.foundation.outbox.pages.urls")),
    path("", include("lilong.foundation.members.pages.organisation_urls")),
    path("", include("lilong.foundation.notices.pages.urls")),
    path("", include("lilong.foundation.notices.pages.desk_urls")),
    path("", include("lilong.foundation.record.pages.urls")),
    path("", include("lilong.foundation.members.pages.people_urls")),
    path("", include("lilong.foundation.members.pages.desk_urls")),
    path("", include("lilong.foundation.cases.pages.urls")),
    path("", include("lilong.foundation.members.pages.organisation_urls")),
    path("", include("lilong.foundation.ledger.pages.desk_urls")),
    path("", include("lilong.foundation.runs.pages.pool_urls")),
    path("", include("lilong.foundation.ledger.pages.urls")),
    path("", include("lilong.foundation.runs.pages.urls")),
    path("", include("lilong.platforms.stack.pages.urls")),
    path("", include("lilong.platforms.funding.pages.urls")),
    path("", include("lilong.platforms.supermarket.pages.urls")),
    path("", include("lilong.platforms.audit.pages.urls")),
    path("", pages.show_front, name="front"),
    path("metrics", show_metrics, name="metrics"),
    path("accelerators", accelerators.show_accelerators, name="accelerators"),
    path("accelerators/<str:name>", accelerators.show_accelerator, name="accelerator"),
    path("desk", desks.show_desk, name="desk"),
    path("organisation", pages.show_organisation, name="organisation"),
    path("provider", desks.show_provider, name="provider"),
    path("verify", pages.show_verify, name="verify"),
    path("verify/<str:name>", pages.download_proof_file, name="proof_file"),
    path("preferences", pages.set_preferences, name="preferences"),
]
if settings.LILONG.style_page:
    urlpatterns.append(path("style", pages.show_style, name="style"))
