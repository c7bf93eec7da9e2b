"""The desk's pages on which voucher money is asked back: what was, which vouchers paid, and the form for one."""

from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from lilong.common.django.forms import render_form
from lilong.common.django.people import find_actor, for_operator
from lilong.common.django.sentences import tell
from lilong.common.money import format_credits
from lilong.common.time import utc_now
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.funding.core.claw_back import PaidUse
from lilong.platforms.funding.core.rules import ClawBackReason
from lilong.platforms.funding.pages.words import CLAW_BACKS
from lilong.platforms.funding.queries.claw_backs import (
    AskableVoucher,
    get_askable,
    list_claw_backs,
    list_paying_vouchers,
)
from lilong.platforms.funding.services.claw_backs import ClawBackRefused, ask_back

SHOWN = 25
DETAIL_MAX = 1000


class AskBackForm(forms.Form):
    """Which orders of a voucher should not have been paid for, and why."""

    order_ids = forms.MultipleChoiceField(
        label=_("Orders that it should not have paid for"),
        help_text=_("All that the voucher paid for an order is asked back, less what was refunded."),
        widget=forms.CheckboxSelectMultiple,
    )
    reason = forms.ChoiceField(label=_("Reason, as the rule names it"))
    detail = forms.CharField(
        label=_("What shows it"),
        help_text=_("The organisation and the people who decide read it."),
        max_length=DETAIL_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: QueryDict | None, *, askable: AskableVoucher) -> None:
        super().__init__(data)
        uses = [use for use in askable.uses if use.paid_at and use.amount_uc and not use.is_asked_back]
        cast("forms.MultipleChoiceField", self.fields["order_ids"]).choices = [
            (use.order_id, _describe(use)) for use in uses
        ]
        cast("forms.ChoiceField", self.fields["reason"]).choices = [
            (reason.value, CLAW_BACKS[reason]) for reason in askable.voucher.reasons
        ]


@require_safe
@for_operator
def show_claw_backs(request: HttpRequest) -> HttpResponseBase:
    """Show what is asked back and where it stands, and the vouchers that paid for something."""
    actor = find_actor(request)
    asked = list_claw_backs(actor=actor, cursor=request.GET.get("cursor"), limit=SHOWN)
    names = name_organisations(organisation_ids={each.organisation_id for each in asked.items})
    context = {
        "asked": asked,
        "asked_rows": [
            (each, names.get(each.organisation_id, each.organisation_id), CLAW_BACKS[each.reason])
            for each in asked.items
        ],
        "paying": list_paying_vouchers(actor=actor, cursor=request.GET.get("vouchers"), limit=SHOWN),
        "now": utc_now(),
    }
    return render(request, "funding/claw_backs.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def ask_voucher_back(request: HttpRequest, voucher_id: str) -> HttpResponseBase:
    """Show what a voucher paid, and ask for some of it back."""
    actor = find_actor(request)
    askable = get_askable(actor=actor, voucher_id=voucher_id)
    form = AskBackForm(request.POST or None, askable=askable)
    if request.method == "POST" and form.is_valid():
        try:
            case_id = ask_back(
                actor=actor,
                voucher_id=voucher_id,
                reason=ClawBackReason(form.cleaned_data["reason"]),
                detail=form.cleaned_data["detail"],
                order_ids=form.cleaned_data["order_ids"],
                now=utc_now(),
            )
        except ClawBackRefused as refusal:
            for problem in refusal.fields:
                form.add_error(problem.path, tell(problem.message))
        else:
            messages.success(
                request, gettext("It is asked back. Two other people decide, and the organisation is told.")
            )
            return redirect("desk_case", case_id=case_id)
    context = {
        "askable": askable,
        "form": form,
        "has_uses": bool(cast("forms.ChoiceField", form.fields["order_ids"]).choices),
    }
    return render_form(request, "funding/ask_back.html", context, is_refused=bool(form.errors))


def _describe(use: PaidUse) -> str:
    paid_on = date_format(use.paid_at, "Y-m-d") if use.paid_at else ""
    said = {"order": use.order_id, "amount": format_credits(use.amount_uc), "day": paid_on}
    return gettext("%(day)s: %(amount)s credits for %(order)s") % said
