"""Addresses of the pages of the record."""

from django.urls import path

from lilong.foundation.record.pages import explorer

urlpatterns = [
    path("record", explorer.show_record, name="record"),
    path("record/<int:index>", explorer.show_entry, name="record_entry"),
    path("record/about/<str:subject_id>", explorer.show_subject, name="record_subject"),
]
