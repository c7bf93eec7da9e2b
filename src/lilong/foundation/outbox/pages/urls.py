"""Addresses of the pages of the outbox."""

from django.urls import path

from lilong.foundation.outbox.pages import letters

urlpatterns = [
    path("desk/dead-letters", letters.show_letters, name="desk_dead_letters"),
    path("desk/dead-letters/<str:delivery_id>/retry", letters.retry_letter, name="desk_retry_letter"),
]
