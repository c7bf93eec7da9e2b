"""What invoices are made by, entered and never changed: rates of tax, treatments of organisations, names on paper."""

from datetime import datetime

from django.db import transaction

from lilong.common.errors import Conflict, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.public import get_organisations
from lilong.foundation.record.public import append
from lilong.platforms.supermarket.core.taxes import Tax, TaxCategory, check_rate
from lilong.platforms.supermarket.models import InvoiceParty, TaxRate, TaxTreatment
from lilong.platforms.supermarket.queries.invoice_terms import find_last_month

BILLED = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING, Role.OPERATOR})
"""Who may say what their organisation is called on invoices."""


class TaxRateTooLate(Conflict):
    """The rate would begin in a month whose invoices are issued, or with another of its kind."""

    code = "supermarket.tax_rate_too_late"
    title = "This rate of tax cannot begin then"
    next_step = "Let it begin after the newest month with invoices, and at another moment than the others of its kind."


def publish_tax_rate(*, actor: Actor, tax: Tax, now: datetime) -> str:
    """Publish a rate of tax for good and return its id; that of `tax` is not looked at.

    Raises NotAllowed, TaxRateInvalid, TaxRateTooLate. Doing it again is refused: nothing begins twice at one moment.
    """
    _require_operator(actor)
    check_rate(category=tax.category, rate_ppm=tax.rate_ppm, reason=tax.reason)
    with transaction.atomic():
        _require_open(tax)
        facts = {
            "jurisdiction": tax.jurisdiction,
            "category": tax.category.value,
            "name": tax.name,
            "rate_ppm": tax.rate_ppm,
            "reason": tax.reason,
            "reason_code": tax.reason_code,
            "source": tax.source,
        }
        row, is_new = TaxRate.objects.get_or_create(
            jurisdiction=tax.jurisdiction,
            category=tax.category.value,
            valid_from=tax.valid_from,
            defaults={**facts, "id": new_id("tax"), "published_by": actor.person_id, "published_at": now},
        )
        if not is_new:
            raise TaxRateTooLate(detail=say("{tax_id} begins at that moment.", tax_id=row.id))
        payload = {**facts, "valid_from": format_moment(tax.valid_from)}
        append(kind="supermarket.tax_rate", subject_id=row.id, payload=payload, now=now)
    return row.id


def decide_treatment(
    *, actor: Actor, organisation_id: str, jurisdiction: str, category: TaxCategory, now: datetime
) -> str:
    """Decide how an organisation is taxed on invoices to come; of the hub's own, all without a decision of their own.

    Raises NotAllowed, NotFound.
    """
    _require_operator(actor)
    with transaction.atomic():
        if organisation_id not in get_organisations(organisation_ids={organisation_id}):
            raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id))
        row = TaxTreatment.objects.create(
            id=new_id("ttr"),
            organisation_id=organisation_id,
            jurisdiction=jurisdiction,
            category=category.value,
            decided_by=actor.person_id,
            decided_at=now,
        )
        append(
            kind="supermarket.tax_treatment",
            subject_id=organisation_id,
            payload={"jurisdiction": jurisdiction, "category": category.value},
            organisation_id=organisation_id,
            now=now,
        )
    return row.id


def describe_party(*, actor: Actor, name: str, address: str, tax_number: str, now: datetime) -> None:
    """Say who the actor's organisation is on invoices to come; those that are issued stay. Raises NotAllowed."""
    require(may(actor, roles=BILLED, scope=Scope.PAY))
    with transaction.atomic():
        InvoiceParty.objects.create(
            id=new_id("ipt"),
            organisation_id=actor.organisation_id,
            name=name,
            address=address,
            tax_number=tax_number,
            described_by=actor.person_id,
            described_at=now,
        )


def _require_open(tax: Tax) -> None:
    """Refuse a rate that would have changed invoices that are issued."""
    last = find_last_month()
    if last and tax.valid_from.date().replace(day=1) <= last:
        raise TaxRateTooLate(detail=say("Invoices of {month} are issued.", month=f"{last:%Y-%m}"))


def _require_operator(actor: Actor) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
