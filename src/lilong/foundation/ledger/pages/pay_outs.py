"""The operators' page of pay-outs that are approved: send them at the bank, then enter the bank's reference."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from lilong.common.django.people import find_actor, for_operator
from lilong.common.time import utc_now
from lilong.foundation.ledger.queries.payments import list_approved_pay_outs
from lilong.foundation.ledger.services.payments import confirm_pay_out

PAY_OUTS_SHOWN = 50


class SentForm(forms.Form):
    """Which pay-out was sent, and under which reference of the bank."""

    pay_out_id = forms.CharField(max_length=64, widget=forms.HiddenInput)
    bank_reference = forms.CharField(label=gettext_lazy("Reference that the bank gave"), max_length=140)


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_pay_outs(request: HttpRequest) -> HttpResponseBase:
    """List approved pay-outs, each with its instruction, and note that one was sent."""
    form = SentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        confirm_pay_out(
            actor=find_actor(request),
            pay_out_id=form.cleaned_data["pay_out_id"],
            bank_reference=form.cleaned_data["bank_reference"],
            now=utc_now(),
        )
        messages.success(request, _("Noted as sent; the books and the record have it."))
        return redirect("desk_pay_outs")
    rows = list_approved_pay_outs(actor=find_actor(request), limit=PAY_OUTS_SHOWN)
    forms_shown = [
        (row, form if form.is_bound and form["pay_out_id"].value() == row.id else _prepare(row.id)) for row in rows
    ]
    return render(request, "ledger/pay_outs.html", {"pay_outs": forms_shown, "now": utc_now()})


def _prepare(pay_out_id: str) -> SentForm:
    return SentForm(initial={"pay_out_id": pay_out_id}, auto_id=f"{pay_out_id}-%s")
