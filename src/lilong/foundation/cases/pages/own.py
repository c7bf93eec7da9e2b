"""Pages of cases for the organisation concerned: its cases, where one stands and why, an appeal."""

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.foundation.cases.pages.facts import read_facts
from lilong.foundation.cases.pages.forms import AppealForm
from lilong.foundation.cases.queries import CaseFilter, get_case_sheet, list_case_rows
from lilong.foundation.cases.services.appeals import appeal
from lilong.foundation.cases.services.evidence import read_documents

CASES_SHOWN = 25


@require_safe
@for_member
def show_cases(request: HttpRequest) -> HttpResponseBase:
    """List the cases that concern the organisation, newest first."""
    page = list_case_rows(
        actor=find_actor(request), wanted=CaseFilter(), cursor=request.GET.get("cursor"), limit=CASES_SHOWN
    )
    return render(request, "cases/cases.html", {"page": page, "now": utc_now()})


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_case(request: HttpRequest, case_id: str) -> HttpResponseBase:
    """Show where a case stands, why, and what can be done; take an appeal."""
    actor, now = find_actor(request), utc_now()
    form = AppealForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        appeal_id = appeal(actor=actor, case_id=case_id, reason=form.cleaned_data["reason"], now=now)
        messages.success(request, _("Your appeal is with people who had no say in the decision."))
        return redirect("case", case_id=appeal_id)
    sheet = get_case_sheet(actor=actor, case_id=case_id, now=now)
    context = {
        "sheet": sheet,
        "case": sheet.case,
        "facts": read_facts(sheet.case.facts),
        "documents": read_documents(actor=actor, sheet=sheet, now=now),
        "form": form,
        "now": now,
    }
    return render(request, "cases/case.html", context)
