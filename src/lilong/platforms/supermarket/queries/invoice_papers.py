"""Invoices as PDF, in the reader's language: every figure and text is made here, the template only lays them out."""

from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal, format_percent
from django.utils.translation import gettext as _
from django.utils.translation import override, pgettext

from lilong.common.django.typesetting import HAN_FAMILIES, set_paper
from lilong.common.money import PPM, UC_PER_CREDIT
from lilong.common.permissions import Actor
from lilong.foundation.members.public.people import Language
from lilong.platforms.supermarket.core.invoices import Document, Line, LineKind, Named, PaperKind, TaxSum
from lilong.platforms.supermarket.core.pricing import HOUR_MS, Unit, price_time
from lilong.platforms.supermarket.core.taxes import TaxCategory
from lilong.platforms.supermarket.queries.invoices import InvoiceSheet, InvoiceView, get_invoice

TEMPLATE = Path(__file__).parent.parent / "templates" / "supermarket" / "invoice.typ"
LOCALES = {Language.EN: "en_GB", Language.ZH_HANS: "zh_Hans"}


def render_invoice(*, actor: Actor, invoice_id: str, language: Language) -> bytes:
    """Return an invoice as PDF: the same bytes each time, as long as typst and the fonts are the same.

    Raises InvoiceMissing, and what `set_paper` raises.
    """
    return set_invoice(sheet=get_invoice(actor=actor, invoice_id=invoice_id), language=language)


def set_invoice(*, sheet: InvoiceSheet, language: Language) -> bytes:
    """Return the same of an invoice that was read already; raises what `set_paper` raises."""
    return set_paper(template=_read_template(), paper=describe_invoice(sheet=sheet, language=language))


def describe_invoice(*, sheet: InvoiceSheet, language: Language) -> dict[str, Any]:
    """Return all texts and figures of an invoice as its papers and pages show them."""
    with override(language.value):
        return _Printer(LOCALES[language]).describe(sheet)


@cache
def _read_template() -> str:
    return TEMPLATE.read_text(encoding="utf-8")


def name_category(*, category: TaxCategory) -> str:
    """Return what a category of tax is called, in the language in force."""
    return {
        TaxCategory.STANDARD: _("Standard rate"),
        TaxCategory.REDUCED: _("Reduced rate"),
        TaxCategory.ZERO: _("Zero rate"),
        TaxCategory.EXEMPT: _("Exempt"),
        TaxCategory.REVERSE_CHARGE: _("Reverse charge"),
        TaxCategory.OUTSIDE: _("Outside the scope of tax"),
    }[category]


def name_line(*, line: Line) -> str:
    """Return what a line is about, in the language in force; of usage the offer that was bought."""
    return {
        LineKind.USAGE: line.offer,
        LineKind.SERVICE_CREDIT: _("Credit for lost time"),
        LineKind.CORRECTION: _("Correction of the charge"),
        LineKind.OTHER: line.code.replace("_", " ").capitalize(),
    }[line.kind]


def format_minor(*, amount_minor: int, decimals: int, locale: str) -> str:
    """Return an amount of a currency with its decimals and groups.

    >>> format_minor(amount_minor=-123456, decimals=2, locale="en_GB")
    '-1,234.56'
    """
    places = f".{'0' * decimals}" if decimals else ""
    return format_decimal(Decimal(amount_minor).scaleb(-decimals), format=f"#,##0{places}", locale=locale)


def format_total(*, invoice: InvoiceView, language: str) -> str:
    """Return an invoice's total in its currency, as a language writes it."""
    return format_minor(
        amount_minor=invoice.total_minor, decimals=invoice.decimals, locale=LOCALES[read_language(code=language)]
    )


def read_language(*, code: str) -> Language:
    """Return the language that papers have for a reader of a language; English for one that we do not speak."""
    return Language.ZH_HANS if code.lower().startswith("zh") else Language.EN


class _Printer:
    """Writes a document in one language, which is in force meanwhile."""

    def __init__(self, locale: str) -> None:
        self._locale = locale

    def describe(self, sheet: InvoiceSheet) -> dict[str, Any]:
        """Return all that the template shows."""
        document = sheet.document
        return {
            "language": self._locale[:2],
            "fonts": HAN_FAMILIES,
            "issued": [document.issued_on.year, document.issued_on.month, document.issued_on.day],
            "title": name_kind(kind=document.kind),
            "number": document.number,
            "seller": _describe_party(document.seller),
            "buyer": _describe_party(document.buyer),
            "buyer_label": _("Billed to"),
            "facts": self._list_facts(document),
            "notice": self._warn(document),
            "headings": [
                pgettext("what was bought", "Order"),
                _("What"),
                _("Hours"),
                _("Credits an hour"),
                _("Credits"),
                _("Amount, %(currency)s") % {"currency": document.currency},
            ],
            "lines": [self._describe_line(line, document) for line in document.lines],
            "sums": self._list_sums(document),
            "tax_title": _("Tax contained in the total"),
            "tax_headings": [_("Rate"), _("Net"), _("Tax"), _("With tax")],
            "taxes": [self._describe_tax(tax, document) for tax in document.taxes],
            "no_tax": "" if document.taxes else _("The hub published no tax treatment, so no tax is stated here."),
            "notes": [*self._list_notes(document)],
            "proof": [
                (_("SHA-256 of the document"), sheet.view.sha256),
                (_("Entry of the record"), sheet.view.record_entry_id),
            ],
            "page_label": pgettext("page of a paper", "Page"),
        }

    def _list_facts(self, document: Document) -> list[tuple[str, str]]:
        facts = [
            (pgettext("of an invoice", "Number"), document.number),
            (_("Issued on"), self._day(document.issued_on)),
            (_("Charged in"), self._month(document.month)),
        ]
        if document.about_month != document.month:
            facts.append((_("About"), self._month(document.about_month)))
        if document.corrects:
            facts.append((_("Corrects"), document.corrects.number))
        elif document.about_month != document.month:
            facts.append((_("Corrects"), _("a month without invoices")))
        return facts

    def _warn(self, document: Document) -> str:
        is_example = any(rate.is_example for rate in document.rates)
        return _("Example: the worth of a credit is made up. This is no invoice to book.") if is_example else ""

    def _describe_line(self, line: Line, document: Document) -> dict[str, object]:
        about = [line.provider] if line.provider else []
        if line.is_capped:
            about.append(_("limited to the order's maximum"))
        if line.kind is not LineKind.USAGE:
            about.append(self._day(line.charged_on))
        return {
            "order": line.order_name,
            "id": line.order_id,
            "what": name_line(line=line),
            "about": " · ".join(about),
            "quantity": self._decimal(Decimal(line.unit_ms) / HOUR_MS, "#,##0.000") if line.unit else "",
            "unit": _name_unit(line.unit) if line.unit else "",
            "price": self._credits(price_time(price_uc=line.price_uc, units=1, duration_ms=HOUR_MS))
            if line.unit
            else "",
            "credits": self._credits(line.amount_uc),
            "amount": self._minor(line.amount_minor, document),
        }

    def _list_sums(self, document: Document) -> list[dict[str, str]]:
        is_note = document.kind is PaperKind.CREDIT_NOTE
        rows = [
            (pgettext("of an invoice", "Total"), document.total_uc, document.total_minor, "total"),
            (
                _("Given back to vouchers") if is_note else _("Paid by vouchers"),
                document.voucher_uc,
                document.voucher_minor,
                "",
            ),
            (
                _("Given back to the balance") if is_note else _("Paid from the balance"),
                document.balance_uc,
                document.balance_minor,
                "",
            ),
            (_("Left to pay"), 0, 0, "due"),
        ]
        return [
            {
                "label": label,
                "credits": self._credits(amount_uc),
                "amount": self._minor(amount_minor, document),
                "role": role,
            }
            for label, amount_uc, amount_minor, role in rows
        ]

    def _describe_tax(self, tax: TaxSum, document: Document) -> dict[str, object]:
        rate = format_percent(Decimal(tax.rate_ppm) / PPM, format="#,##0.####%", locale=self._locale)
        reason = " ".join(filter(None, [tax.reason, f"({tax.reason_code})" if tax.reason_code else ""]))
        return {
            "name": f"{tax.name} {rate}",
            "about": " · ".join(filter(None, [tax.jurisdiction, name_category(category=tax.category), reason])),
            "net": self._minor(tax.gross_minor - tax.tax_minor, document),
            "tax": self._minor(tax.tax_minor, document),
            "gross": self._minor(tax.gross_minor, document),
        }

    def _list_notes(self, document: Document) -> list[str]:
        worth = [
            _("From %(day)s a credit is worth %(worth)s %(currency)s: %(source)s.")
            % {
                "day": self._day(rate.valid_from),
                "worth": self._decimal(Decimal(rate.millionths) / PPM, "#,##0.00####"),
                "currency": document.currency,
                "source": rate.source,
            }
            for rate in document.rates
        ]
        return [
            _("Everything here is paid: orders hold their maximum before they run and are settled from what is held."),
            *worth,
            _(
                "The total is rounded once, half up, and a line is what the rounded sum grows by; prices contain tax, "
                "which is reckoned once for each rate and rounded half up."
            ),
        ]

    def _day(self, day: date) -> str:
        return format_date(day, format="long", locale=self._locale)

    def _month(self, day: date) -> str:
        return format_skeleton("yMMMM", day, locale=self._locale)

    def _decimal(self, number: Decimal, form: str) -> str:
        return format_decimal(number, format=form, locale=self._locale)

    def _credits(self, amount_uc: int) -> str:
        return self._decimal(Decimal(amount_uc) / UC_PER_CREDIT, "#,##0.00####")

    def _minor(self, amount_minor: int, document: Document) -> str:
        return format_minor(amount_minor=amount_minor, decimals=document.decimals, locale=self._locale)


def name_kind(*, kind: PaperKind) -> str:
    """Return what a paper is called, in the language in force."""
    return {PaperKind.INVOICE: _("Invoice"), PaperKind.CREDIT_NOTE: _("Credit note")}[kind]


def _name_unit(unit: Unit) -> str:
    return {Unit.CORE: _("core-hours"), Unit.ACCELERATOR: _("accelerator-hours")}[unit]


def _describe_party(party: Named) -> dict[str, str]:
    number = _("Tax number %(number)s") % {"number": party.tax_number} if party.tax_number else ""
    return {"name": party.name, "address": party.address, "tax_number": number, "id": party.organisation_id}
