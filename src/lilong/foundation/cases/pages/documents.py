"""Documents on the pages of cases: showing one for a case, opening and verifying those of who is concerned."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.time import utc_now
from lilong.foundation.cases.pages.forms import REASON_MAX
from lilong.foundation.cases.services.evidence import open_case_evidence, show_evidence, verify_case_evidence


class VerificationForm(forms.Form):
    """How a document was found to be good."""

    reason = forms.CharField(
        label=_("How did you check it?"),
        help_text=_("The organisation reads it, and the record keeps it."),
        max_length=REASON_MAX,
    )


@require_POST
@for_member
def show_for_case(request: HttpRequest, case_id: str) -> HttpResponseBase:
    """Show a document of the wallet for a case."""
    evidence_id = request.POST.get("evidence_id", "")
    show_evidence(actor=find_actor(request), case_id=case_id, evidence_id=evidence_id, now=utc_now())
    messages.success(request, gettext("Whoever decides this case sees the document now."))
    return redirect("case", case_id=case_id)


@require_safe
@for_operator
def open_document(request: HttpRequest, case_id: str, evidence_id: str) -> HttpResponseBase:
    """Send a document to who decides the case; the record says who read it."""
    document = open_case_evidence(actor=find_actor(request), case_id=case_id, evidence_id=evidence_id, now=utc_now())
    return send_file(
        chunks=document.reader.chunks,
        size_bytes=document.reader.size_bytes,
        filename=document.filename,
        media_type=document.media_type,
    )


@require_POST
@for_operator
def verify(request: HttpRequest, case_id: str, evidence_id: str) -> HttpResponseBase:
    """Note that a document is good, and how that was found out."""
    form = VerificationForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Say how you checked the document."))
        return redirect("desk_case", case_id=case_id)
    given: dict[str, Any] = form.cleaned_data
    verify_case_evidence(
        actor=find_actor(request), case_id=case_id, evidence_id=evidence_id, reason=given["reason"], now=utc_now()
    )
    messages.success(request, gettext("Verified: everybody who decides about this organisation sees it."))
    return redirect("desk_case", case_id=case_id)
