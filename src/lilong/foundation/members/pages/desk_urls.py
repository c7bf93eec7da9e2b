"""Addresses of the operators' pages of organisations."""

from django.urls import path

from lilong.foundation.members.pages import organisations

urlpatterns = [
    path("desk/organisations", organisations.show_organisations, name="desk_organisations"),
    path("desk/organisations/<str:organisation_id>", organisations.show_organisation, name="desk_organisation"),
]
