"""Pages of invoices: an organisation's own with who it is on them, and the desk where operators issue them."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.downloads import send_file
from lilong.common.django.forms import MomentField, render_form
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.money import PPM
from lilong.common.periods import DayPeriod, read_month
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.foundation.ledger.public.moves import close_period, find_closed_until
from lilong.foundation.members.public.people import Language
from lilong.platforms.supermarket.core.taxes import Tax, TaxCategory
from lilong.platforms.supermarket.queries.invoice_papers import (
    describe_invoice,
    name_category,
    read_language,
    render_invoice,
)
from lilong.platforms.supermarket.queries.invoice_terms import (
    TreatmentView,
    find_last_month,
    get_own_party,
    has_rates,
    list_tax_rates,
    list_treatments,
)
from lilong.platforms.supermarket.queries.invoices import get_invoice, list_invoices
from lilong.platforms.supermarket.services.invoice_terms import (
    BILLED,
    decide_treatment,
    describe_party,
    publish_tax_rate,
)
from lilong.platforms.supermarket.services.invoices import issue_month

INVOICES_SHOWN, TERMS_SHOWN, LINES_SHOWN = 25, 10, 200
PPM_PER_CENT = PPM // 100
TREATMENT_IDS = "treatment-%s"
"""Ids of fields, apart from those of the other form of the page."""

CATEGORIES = [
    (TaxCategory.STANDARD, _("Standard rate")),
    (TaxCategory.REDUCED, _("Reduced rate")),
    (TaxCategory.ZERO, _("Zero rate")),
    (TaxCategory.EXEMPT, _("Exempt")),
    (TaxCategory.REVERSE_CHARGE, _("Reverse charge")),
    (TaxCategory.OUTSIDE, _("Outside the scope of tax")),
]


class PartyForm(forms.Form):
    """Who an organisation is on invoices."""

    name = forms.CharField(label=_("Legal name"), max_length=200)
    address = forms.CharField(label=_("Address"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    tax_number = forms.CharField(label=_("Tax number"), max_length=64, required=False)

    def clean_address(self) -> str:
        """Return the address with one kind of line end."""
        return "\n".join(self.cleaned_data["address"].splitlines())


class TaxRateForm(forms.Form):
    """A rate of tax to be published."""

    jurisdiction = forms.RegexField(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", label=_("Country"), help_text="CN, DE, US-CA")
    category = forms.ChoiceField(label=_("Category"), choices=CATEGORIES)
    name = forms.CharField(label=_("Name on invoices"), max_length=60, help_text=_("Such as VAT."))
    rate = forms.DecimalField(label=_("Rate, per cent"), min_value=0, max_value=100, decimal_places=4)
    reason = forms.CharField(
        label=_("Reason"), max_length=300, required=False, help_text=_("Why no tax is charged, as invoices say it.")
    )
    reason_code = forms.CharField(label=_("Code of the reason"), max_length=40, required=False)
    valid_from = MomentField(label=_("From, UTC"))
    source = forms.CharField(label=_("Source"), max_length=200, help_text=_("The law, or who decided it."))

    def read_tax(self) -> Tax:
        """Return the rate of a valid form."""
        said = self.cleaned_data
        return Tax(
            id="",
            category=TaxCategory(said["category"]),
            rate_ppm=int(said["rate"] * PPM_PER_CENT),
            **{name: said[name] for name in ("jurisdiction", "name", "reason", "reason_code", "valid_from", "source")},
        )


class TreatmentForm(forms.Form):
    """How an organisation is taxed."""

    organisation_id = forms.CharField(label=_("Organisation's id"), max_length=64)
    jurisdiction = forms.RegexField(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", label=_("Country"), help_text="CN, DE, US-CA")
    category = forms.ChoiceField(label=_("Category"), choices=CATEGORIES)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_invoices(request: HttpRequest) -> HttpResponseBase:
    """List the organisation's invoices, and take who it is on those to come."""
    actor, now = find_actor(request), utc_now()
    party = get_own_party(actor=actor)
    form = PartyForm(request.POST or None, initial=party.model_dump())
    if request.method == "POST" and form.is_valid():
        describe_party(actor=actor, now=now, **form.cleaned_data)
        messages.success(
            request, gettext("So it will stand on invoices to come; those that are issued stay as they are.")
        )
        return redirect("invoices")
    page = list_invoices(
        actor=actor,
        cursor=request.GET.get("cursor"),
        limit=INVOICES_SHOWN,
        organisation_id=actor.organisation_id,
    )
    may_describe = may(actor, roles=BILLED, scope=Scope.PAY).allowed
    context = {"page": page, "form": form, "party": party, "may_describe": may_describe, "now": now}
    return render_form(request, "supermarket/invoices.html", context, is_refused=form.is_bound)


@require_safe
@for_member
def show_invoice(request: HttpRequest, invoice_id: str) -> HttpResponseBase:
    """Show an invoice as it was issued."""
    sheet = get_invoice(actor=find_actor(request), invoice_id=invoice_id)
    paper = describe_invoice(sheet=sheet, language=_read_language())
    lines = paper["lines"]
    context = {"sheet": sheet, "paper": paper, "lines": lines[:LINES_SHOWN], "left_out": len(lines) - LINES_SHOWN}
    return render(request, "supermarket/invoice.html", context)


@require_safe
@for_member
def download_pdf(request: HttpRequest, invoice_id: str) -> HttpResponseBase:
    """Send an invoice as PDF in the language of the page."""
    actor = find_actor(request)
    number = get_invoice(actor=actor, invoice_id=invoice_id).view.number
    content = render_invoice(actor=actor, invoice_id=invoice_id, language=_read_language())
    return send_file(chunks=[content], size_bytes=len(content), filename=f"{number}.pdf", media_type="application/pdf")


@require_safe
@for_member
def download_document(request: HttpRequest, invoice_id: str) -> HttpResponseBase:
    """Send the document of an invoice, byte for byte as the record's SHA-256 says."""
    sheet = get_invoice(actor=find_actor(request), invoice_id=invoice_id)
    response = HttpResponse(sheet.content, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{sheet.view.number}.json"'
    return response


@require_safe
@for_operator
def show_desk_invoices(request: HttpRequest) -> HttpResponseBase:
    """Show what was issued, the next month to issue, and by which rates of tax."""
    return _render_desk(request, {})


@require_POST
@for_operator
def close_month(request: HttpRequest) -> HttpResponseBase:
    """Close the books up to the end of a month."""
    month = read_month(request.POST.get("month", ""), now=utc_now())
    close_period(actor=find_actor(request), ends_at=month.end, now=utc_now())
    messages.success(request, gettext("The books are closed: nothing can count for that month any more."))
    return redirect("desk_invoices")


@require_POST
@for_operator
def issue(request: HttpRequest) -> HttpResponseBase:
    """Issue the invoices of a month, for as many organisations as one request takes."""
    actor, now = find_actor(request), utc_now()
    month = read_month(request.POST.get("month", ""), now=now)
    done = issue_month(actor=actor, month=month, after=request.POST.get("after", "")[:64], now=now)
    count = len(done.issued)
    said = ngettext("%(count)s paper is issued.", "%(count)s papers are issued.", count) % {"count": count}
    messages.success(request, said)
    return _render_desk(request, {"done": done, "month": month, "issued_month": f"{month.begins_on:%Y-%m}"})


@require_POST
@for_operator
def publish_rate(request: HttpRequest) -> HttpResponseBase:
    """Publish a rate of tax."""
    form = TaxRateForm(request.POST)
    if not form.is_valid():
        return _render_desk(request, {"rate_form": form}, is_refused=True)
    publish_tax_rate(actor=find_actor(request), tax=form.read_tax(), now=utc_now())
    messages.success(
        request, gettext("The rate is published. It cannot be changed; another that begins later replaces it.")
    )
    return redirect("desk_invoices")


@require_POST
@for_operator
def decide(request: HttpRequest) -> HttpResponseBase:
    """Decide how an organisation is taxed."""
    form = TreatmentForm(request.POST, auto_id=TREATMENT_IDS)
    if not form.is_valid():
        return _render_desk(request, {"treatment_form": form}, is_refused=True)
    said = form.cleaned_data
    decide_treatment(
        actor=find_actor(request),
        organisation_id=said["organisation_id"].strip(),
        jurisdiction=said["jurisdiction"],
        category=TaxCategory(said["category"]),
        now=utc_now(),
    )
    messages.success(request, gettext("It counts for invoices to come."))
    return redirect("desk_invoices")


def _render_desk(request: HttpRequest, more: dict[str, Any], *, is_refused: bool = False) -> HttpResponse:
    actor, now = find_actor(request), utc_now()
    next_month, closed_until = _find_next(now), find_closed_until()
    context = {
        "page": list_invoices(actor=actor, cursor=request.GET.get("cursor"), limit=INVOICES_SHOWN),
        "rates": [(tax, name_category(category=tax.category)) for tax in _list_rates()],
        "treatments": [(each, name_category(category=each.category)) for each in _list_treatments()],
        "rate_form": TaxRateForm(),
        "treatment_form": TreatmentForm(
            auto_id=TREATMENT_IDS, initial={"organisation_id": request.GET.get("organisation", "")}
        ),
        "next_month": f"{next_month.begins_on:%Y-%m}",
        "is_over": next_month.end <= now,
        "is_closed": closed_until is not None and closed_until >= next_month.end,
        "closed_until": closed_until,
        "has_rates": has_rates(),
        "hub_id": actor.organisation_id,
        "now": now,
    }
    return render_form(request, "supermarket/desk_invoices.html", context | more, is_refused=is_refused)


def _find_next(now: datetime) -> DayPeriod:
    """Return the month after the last that was begun; the one that ended last where none was."""
    last = find_last_month()
    if last:
        return read_month(f"{last + timedelta(days=32):%Y-%m}", now=now)
    return read_month(f"{now.replace(day=1) - timedelta(days=1):%Y-%m}", now=now)


def _list_rates() -> list[Tax]:
    return list(list_tax_rates(cursor=None, limit=TERMS_SHOWN).items)


def _list_treatments() -> list[TreatmentView]:
    return list(list_treatments(cursor=None, limit=TERMS_SHOWN).items)


def _read_language() -> Language:
    return read_language(code=get_language() or "")
