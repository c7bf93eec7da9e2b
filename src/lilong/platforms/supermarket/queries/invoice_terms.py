"""What invoices are made by: rates of tax, how organisations are taxed, and who they are on paper."""

from dataclasses import dataclass
from datetime import date

from django.conf import settings

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.supermarket.core.invoices import Named
from lilong.platforms.supermarket.core.taxes import Tax, TaxCategory, Treatment
from lilong.platforms.supermarket.models import InvoiceMonth, InvoiceParty, TaxRate, TaxTreatment


@dataclass(frozen=True, slots=True)
class TreatmentView:
    """How an organisation is taxed; name: of the organisation."""

    organisation_id: str
    name: str
    jurisdiction: str
    category: TaxCategory


def list_tax_rates(*, cursor: str | None, limit: int) -> Page[Tax]:
    """Return one page of the published rates, newest first; they are no secret. One query."""
    page = page_newest_first(TaxRate.objects.all(), cursor=cursor, limit=limit)
    return Page(items=[_view_tax(row) for row in page.items], next_cursor=page.next_cursor)


def load_taxes() -> list[Tax]:
    """Return every published rate. One query."""
    return [_view_tax(row) for row in TaxRate.objects.order_by("valid_from", "id")]


def find_treatment(*, organisation_id: str, hub_id: str) -> Treatment | None:
    """Return how an organisation is taxed: as was decided, else as the hub itself; None if neither was. One query."""
    rows = TaxTreatment.objects.filter(organisation_id__in={organisation_id, hub_id}).order_by("id")
    decided = {row.organisation_id: row for row in rows}
    row = decided.get(organisation_id) or decided.get(hub_id)
    return Treatment(jurisdiction=row.jurisdiction, category=TaxCategory(row.category)) if row else None


def list_treatments(*, cursor: str | None, limit: int) -> Page[TreatmentView]:
    """Return one page of what was decided, newest first. Two queries."""
    page = page_newest_first(TaxTreatment.objects.all(), cursor=cursor, limit=limit)
    names = name_organisations(organisation_ids={row.organisation_id for row in page.items})
    items = [
        TreatmentView(
            organisation_id=row.organisation_id,
            name=names.get(row.organisation_id, row.organisation_id),
            jurisdiction=row.jurisdiction,
            category=TaxCategory(row.category),
        )
        for row in page.items
    ]
    return Page(items=items, next_cursor=page.next_cursor)


def find_party(*, organisation_id: str) -> Named | None:
    """Return who an organisation said that it is on invoices, or None. One query."""
    row = InvoiceParty.objects.filter(organisation_id=organisation_id).order_by("-id").first()
    if row is None:
        return None
    return Named(organisation_id=organisation_id, name=row.name, address=row.address, tax_number=row.tax_number)


def get_own_party(*, actor: Actor) -> Named:
    """Return who the actor's organisation is on invoices: by default its name. Two queries at most."""
    return name_party(organisation_id=actor.organisation_id)


def name_party(*, organisation_id: str) -> Named:
    """Return who an organisation is on invoices: by default its name at the hub. Two queries at most."""
    known = find_party(organisation_id=organisation_id)
    if known:
        return known
    names = name_organisations(organisation_ids={organisation_id})
    name = names.get(organisation_id, organisation_id)
    return Named(organisation_id=organisation_id, name=name, address="", tax_number="")


def find_last_month() -> date | None:
    """Return the newest month for which invoices were begun. One query."""
    return InvoiceMonth.objects.order_by("-month").values_list("month", flat=True).first()


def has_rates() -> bool:
    """Say whether the settings tell what a credit is worth, without which there is no paper in a currency."""
    return bool(settings.LILONG.credit_rates)


def _view_tax(row: TaxRate) -> Tax:
    return Tax(
        id=row.id,
        jurisdiction=row.jurisdiction,
        category=TaxCategory(row.category),
        name=row.name,
        rate_ppm=row.rate_ppm,
        reason=row.reason,
        reason_code=row.reason_code,
        valid_from=row.valid_from,
        source=row.source,
    )
