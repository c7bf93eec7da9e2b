"""Addresses of the pages of audit packs."""

from django.urls import path

from lilong.platforms.audit.pages import packs

urlpatterns = [
    path("desk/ledger/packs", packs.show_packs, name="desk_packs"),
    path("desk/ledger/packs/<str:pack_id>.zip", packs.download_pack, name="desk_pack"),
]
