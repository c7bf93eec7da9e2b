"""Addresses of the hub."""

from django.urls import URLPattern, URLResolver, path

from lilong.web.api import agent_api, api

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    path("agent/v1/", agent_api.urls),
]
