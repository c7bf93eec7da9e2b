"""Addresses of the operators' page of what did not arrive."""

from django.urls import path

from lilong.foundation.notices.pages import desk

urlpatterns = [
    path("desk/undelivered", desk.show_undelivered, name="desk_undelivered"),
    path("desk/undelivered/mails/<str:mail_id>/retry", desk.retry, name="desk_retry_mail"),
]
