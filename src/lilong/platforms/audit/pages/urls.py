"""Addresses of the pages of audit packs."""

from django.urls import path

from lilong.platforms.audit.pages import packs

urlpatterns = [
    path("desk/packs", packs.show_packs, name="desk_packs"),
    path("desk/packs/<str:pack_id>.zip", packs.download_pack, name="desk_pack"),
]
