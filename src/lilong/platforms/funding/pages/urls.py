"""Addresses of the pages of programmes."""

from django.urls import path

from lilong.platforms.funding.pages import claw_backs, programmes, publishing

urlpatterns = [
    path("organisation/programmes", programmes.show_programmes, name="own_programmes"),
    path("desk/programmes/rules", publishing.show_rules, name="desk_rules"),
    path("desk/programmes/rules/<str:proposal_id>", publishing.show_rule, name="desk_rule"),
    path("desk/programmes/claw-backs", claw_backs.show_claw_backs, name="desk_claw_backs"),
    path("desk/programmes/claw-backs/<str:voucher_id>", claw_backs.ask_voucher_back, name="ask_voucher_back"),
]
