"""Pay-outs of a provider's own earnings: those asked for, and asking for another."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from lilong.common.django.people import find_actor, for_member
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Scope, may
from lilong.common.time import utc_now
from lilong.foundation.ledger.core.transfers import AMOUNT_MAX_UC
from lilong.foundation.ledger.queries.explorer import sum_about
from lilong.foundation.ledger.queries.payments import PayOutView, list_pay_outs
from lilong.foundation.ledger.services.payments import PAYERS, request_pay_out

__all__ = ["PayOutView", "read_frozen", "read_pay_outs", "show_pay_outs"]

PAY_OUTS_SHOWN = 25
UC_PER_CREDIT = 1_000_000
DECIMALS = 6


class PayOutForm(forms.Form):
    """How much is to be paid out, and to whom."""

    amount = forms.DecimalField(
        label=gettext_lazy("Amount, credits"),
        min_value=Decimal(1) / UC_PER_CREDIT,
        max_value=Decimal(AMOUNT_MAX_UC) / UC_PER_CREDIT,
        decimal_places=DECIMALS,
        widget=forms.NumberInput(attrs={"inputmode": "decimal"}),
    )
    beneficiary = forms.CharField(
        label=gettext_lazy("Paid to"),
        help_text=gettext_lazy("Name and account, as your bank needs them."),
        max_length=140,
    )

    def read_amount_uc(self) -> int:
        """Return the amount of a valid form in micro-credits, exactly."""
        amount: Decimal = self.cleaned_data["amount"]
        return int(amount * UC_PER_CREDIT)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_pay_outs(request: HttpRequest) -> HttpResponseBase:
    """List the organisation's pay-outs, and ask for one."""
    actor = find_actor(request)
    form = PayOutForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        request_pay_out(
            actor=actor,
            organisation_id=actor.organisation_id,
            amount_uc=form.read_amount_uc(),
            beneficiary=form.cleaned_data["beneficiary"],
            now=utc_now(),
        )
        messages.success(request, _("The amount is held, and two people of the hub look at it."))
        return redirect("pay_outs")
    context: dict[str, Any] = {
        "page": read_pay_outs(actor=actor, cursor=request.GET.get("cursor")),
        "form": form,
        "now": utc_now(),
        "may_ask": may(actor, roles=PAYERS, scope=Scope.PAY).allowed,
    }
    return render(request, "ledger/own_pay_outs.html", context)


def read_frozen(*, account_id: str, subjects: Sequence[str]) -> int:
    """Return how much of what an account holds came by these subjects, such as orders that are disputed."""
    return sum_about(account_id=account_id, subjects=subjects)


def read_pay_outs(*, actor: Actor, cursor: str | None) -> Page[PayOutView]:
    """Return the pay-outs of the actor's own organisation, newest first, also to operators, who may see all."""
    page = list_pay_outs(actor=actor, cursor=cursor, limit=PAY_OUTS_SHOWN)
    own = [row for row in page.items if row.organisation_id == actor.organisation_id]
    return Page(items=own, next_cursor=page.next_cursor)
