"""Addresses of the pages of cases."""

from django.urls import path

from lilong.foundation.cases.pages import desk, documents, own, standings

urlpatterns = [
    path("desk/cases", desk.show_cases, name="desk_cases"),
    path("desk/cases/<str:case_id>", desk.show_case, name="desk_case"),
    path("desk/cases/<str:case_id>/documents/<str:evidence_id>", documents.open_document, name="desk_case_document"),
    path("desk/cases/<str:case_id>/documents/<str:evidence_id>/verify", documents.verify, name="verify_document"),
    path("cases", own.show_cases, name="cases"),
    path("cases/<str:case_id>", own.show_case, name="case"),
    path("cases/<str:case_id>/documents", documents.show_for_case, name="show_document"),
    path("organisation/standings/ask", standings.ask, name="ask_standing"),
]
