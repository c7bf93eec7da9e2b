"""The operators' pages of cases: the list, one case, an opinion on it; and those that wait."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.desks import SHOWN_MAX, Panel, Waiting
from lilong.common.django.people import find_actor, for_operator
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.pages.documents import VerificationForm
from lilong.foundation.cases.pages.facts import read_facts
from lilong.foundation.cases.pages.forms import CaseFilterForm, DecisionForm
from lilong.foundation.cases.pages.words import name_kind
from lilong.foundation.cases.queries import (
    CaseFilter,
    CaseRow,
    get_case_sheet,
    list_case_rows,
    list_waiting_cases,
)
from lilong.foundation.cases.services.cases import decide_case
from lilong.foundation.cases.services.evidence import read_documents

CASES_SHOWN = 25
WAITING_READ = 100
DISPUTE = "supermarket.dispute"


@require_safe
@for_operator
def show_cases(request: HttpRequest) -> HttpResponseBase:
    """List cases by state and kind, newest first."""
    form = CaseFilterForm({"state": request.GET.get("state", "open"), "kind": request.GET.get("kind", "")})
    said = form.cleaned_data if form.is_valid() else {"state": "open", "kind": ""}
    page = list_case_rows(
        actor=find_actor(request),
        wanted=_read_filter(said["state"], said["kind"]),
        cursor=request.GET.get("cursor"),
        limit=CASES_SHOWN,
    )
    return render(request, "cases/desk_cases.html", {"page": page, "form": form, "now": utc_now()})


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_case(request: HttpRequest, case_id: str) -> HttpResponseBase:
    """Show a case with all that is needed to decide it, and take an opinion on it."""
    actor, now = find_actor(request), utc_now()
    form = DecisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        decision = Decision(form.cleaned_data["decision"])
        state = decide_case(
            actor=actor, case_id=case_id, decision=decision, reason=form.cleaned_data["reason"], now=now
        )
        if state is CaseState.OPEN:
            messages.info(request, _("Your approval counts. Others have to approve, too."))
        else:
            messages.success(request, _("The case is decided, and the decision stands in the record."))
        return redirect("desk_case", case_id=case_id)
    sheet = get_case_sheet(actor=actor, case_id=case_id, now=now)
    context = {
        "sheet": sheet,
        "case": sheet.case,
        "facts": read_facts(sheet.case.facts),
        "documents": read_documents(actor=actor, sheet=sheet, now=now),
        "verification": VerificationForm(),
        "form": form,
        "now": now,
    }
    return render(request, "cases/desk_case.html", context)


def build_panels(*, actor: Actor, now: datetime) -> list[Panel]:
    """Return the open cases, those first that are due first; disputes apart: money waits for them. Two queries."""
    rows = list_waiting_cases(actor=actor, limit=WAITING_READ)
    disputes = [row for row in rows if row.kind == DISPUTE]
    others = [row for row in rows if row.kind != DISPUTE]
    return [
        Panel(
            name="cases",
            title=gettext_lazy("Cases to decide"),
            calm=gettext_lazy("No case waits for a decision."),
            next_step=gettext_lazy("Read the facts, then approve or refuse with a reason."),
            href=reverse("desk_cases"),
            label=gettext_lazy("All cases"),
            items=_list_items(others, now=now),
            has_more=len(others) > SHOWN_MAX,
        ),
        Panel(
            name="disputes",
            title=gettext_lazy("Disputes"),
            calm=gettext_lazy("No charge is disputed; no earnings are frozen."),
            next_step=gettext_lazy("Until you decide, the provider's earnings from the order stay frozen."),
            href=f"{reverse('desk_cases')}?kind={DISPUTE}",
            label=gettext_lazy("All disputes"),
            items=_list_items(disputes, now=now),
            has_more=len(disputes) > SHOWN_MAX,
        ),
    ]


def _list_items(rows: Sequence[CaseRow], *, now: datetime) -> list[Waiting]:
    return [
        Waiting(
            text=name_kind(row.kind),
            about=row.organisation_name,
            href=reverse("desk_case", args=[row.id]),
            at=row.due_at,
            is_due=True,
            is_late=row.due_at <= now,
        )
        for row in rows[:SHOWN_MAX]
    ]


def _read_filter(state: str, kind: str) -> CaseFilter:
    if state == "overdue":
        return CaseFilter(state=CaseState.OPEN, kind=kind or None, is_overdue=True)
    return CaseFilter(state=None if state == "all" else CaseState(state or "open"), kind=kind or None)
