"""The operators' explorer of the ledger: accounts, statements, transfers, the books as a whole; and what waits."""

from datetime import datetime

from django import forms
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.desks import SHOWN_MAX, Panel, Waiting
from lilong.common.django.people import find_actor, for_operator
from lilong.common.money import format_credits
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.pages.charts import chart_settled
from lilong.foundation.ledger.pages.words import ACCOUNTS
from lilong.foundation.ledger.queries.accounts import list_accounts
from lilong.foundation.ledger.queries.explorer import get_statement, get_transfer_sheet
from lilong.foundation.ledger.queries.payments import list_approved_pay_outs
from lilong.foundation.ledger.queries.settled import read_settled_days
from lilong.foundation.ledger.queries.trial import read_trial_balance
from lilong.foundation.ledger.queries.verification import verify_for

ACCOUNTS_SHOWN = 25
TRANSFERS_SHOWN = 25


class AccountFilterForm(forms.Form):
    """Which accounts to list."""

    kind = forms.ChoiceField(
        label=_("Kind"), choices=[("", pgettext_lazy("accounts", "All")), *ACCOUNTS.items()], required=False
    )
    owner = forms.CharField(label=_("Owner's id"), max_length=64, required=False)


@require_safe
@for_operator
def show_accounts(request: HttpRequest) -> HttpResponseBase:
    """Show what accounts of each kind hold together, and list accounts by kind and owner."""
    actor = find_actor(request)
    form = AccountFilterForm({name: request.GET.get(name, "") for name in ("kind", "owner")})
    said = form.cleaned_data if form.is_valid() else {"kind": "", "owner": ""}
    page = list_accounts(
        actor=actor,
        cursor=request.GET.get("cursor"),
        limit=ACCOUNTS_SHOWN,
        kind=AccountKind(said["kind"]) if said["kind"] else None,
        owner_id=said["owner"],
    )
    now = utc_now()
    trial = read_trial_balance(actor=actor, now=now)
    settled = read_settled_days(actor=actor, now=now)
    context = {
        "page": page,
        "form": form,
        "trial": trial,
        "settled": settled,
        "settled_chart": chart_settled(settled=settled),
        "now": now,
        "sum_uc": sum(line.balance.posted_uc for line in trial.lines),
        "is_filtered": bool(said["kind"] or said["owner"]),
    }
    return render(request, "ledger/accounts.html", context)


@require_safe
@for_operator
def show_account(request: HttpRequest, account_id: str) -> HttpResponseBase:
    """Show an account's transfers with the balance after each."""
    statement = get_statement(
        actor=find_actor(request), account_id=account_id, cursor=request.GET.get("cursor"), limit=TRANSFERS_SHOWN
    )
    return render(request, "ledger/account.html", {"statement": statement, "shown": statement.account})


@require_safe
@for_operator
def show_transfer(request: HttpRequest, transfer_id: str) -> HttpResponseBase:
    """Show a transfer with its group and what ended or corrected it."""
    sheet = get_transfer_sheet(actor=find_actor(request), transfer_id=transfer_id)
    return render(request, "ledger/transfer.html", {"sheet": sheet, "transfer": sheet.transfer})


@require_POST
@for_operator
def verify_books(request: HttpRequest) -> HttpResponseBase:
    """Recompute the books now and say what was found; nothing is changed."""
    report = verify_for(actor=find_actor(request), now=utc_now())
    return render(request, "ledger/verification.html", {"report": report})


def build_panel(*, actor: Actor, now: datetime) -> Panel:  # noqa: ARG001 - a panel is asked at a moment
    """Return the pay-outs that two people approved and nobody has sent yet, oldest first. One query."""
    rows = list_approved_pay_outs(actor=actor, limit=SHOWN_MAX + 1)
    items = [
        Waiting(
            text=_("%(amount)s credits to %(beneficiary)s")
            % {"amount": format_credits(row.amount_uc), "beneficiary": row.beneficiary},
            about=row.id,
            href=reverse("desk_case", args=[row.case_id]),
            at=row.requested_at,
        )
        for row in rows[:SHOWN_MAX]
    ]
    return Panel(
        name="pay-outs",
        title=_("Pay-outs to send"),
        calm=_("No approved pay-out waits to be sent."),
        next_step=_("Make the transfer at the bank with the id as reference, then enter the bank's reference here."),
        href=reverse("desk_pay_outs"),
        label=_("Send pay-outs"),
        items=items,
        has_more=len(rows) > SHOWN_MAX,
    )
