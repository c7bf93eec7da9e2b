"""Addresses of the operators' pages of organisations and people."""

from django.urls import path

from lilong.foundation.members.pages import factor_losses, organisations

urlpatterns = [
    path("desk/organisations", organisations.show_organisations, name="desk_organisations"),
    path("desk/organisations/<str:organisation_id>", organisations.show_organisation, name="desk_organisation"),
    path("desk/second-factors", factor_losses.show_losses, name="desk_factor_losses"),
    path("desk/second-factors/<str:loss_id>", factor_losses.show_loss, name="desk_factor_loss"),
]
