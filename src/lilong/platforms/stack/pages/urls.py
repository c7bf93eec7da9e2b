"""Addresses of the operators' pages of claims; those of accelerators are in `web`, which shows what is sold, too."""

from django.urls import path

from lilong.platforms.stack.pages import claims

urlpatterns = [
    path("accelerators/<str:name>/claims", claims.add, name="claim_add"),
    path("claims/<str:claim_id>/withdraw", claims.withdraw, name="claim_withdraw"),
]
