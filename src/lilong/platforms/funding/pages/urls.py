"""Addresses of the pages of programmes."""

from django.urls import path

from lilong.platforms.funding.pages import programmes

urlpatterns = [path("organisation/programmes", programmes.show_programmes, name="own_programmes")]
