"""Addresses of the pages of cases."""

from django.urls import path

from lilong.foundation.cases.pages import desk, own

urlpatterns = [
    path("desk/cases", desk.show_cases, name="desk_cases"),
    path("desk/cases/<str:case_id>", desk.show_case, name="desk_case"),
    path("cases", own.show_cases, name="cases"),
    path("cases/<str:case_id>", own.show_case, name="case"),
]
