"""Tables of invoices and of what stands on them. All but the counters of numbers are written once and never changed."""

from django.db import models
from django.db.models import Q

from lilong.common.money import PPM
from lilong.common.permissions import Actor
from lilong.platforms.supermarket.core.invoices import PaperKind
from lilong.platforms.supermarket.core.taxes import TaxCategory

# Migrations freeze texts, not enums that may move.
PAPER_KINDS = sorted(kind.value for kind in PaperKind)
TAX_CATEGORIES = sorted(category.value for category in TaxCategory)


class TaxRate(models.Model):
    """A rate of tax as operators published it: from valid_from on, until another of its kind begins.

    reason: why there is none, as it has to be said; reason_code: the same as a code, such as `vatex-eu-ae`.
    """

    id = models.CharField(max_length=64, primary_key=True)
    jurisdiction = models.CharField(max_length=8)
    category = models.CharField(max_length=16)
    name = models.CharField(max_length=60)
    rate_ppm = models.PositiveIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    reason_code = models.CharField(max_length=40, blank=True)
    valid_from = models.DateTimeField()
    source = models.CharField(max_length=200)
    published_by = models.CharField(max_length=64)
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(category__in=TAX_CATEGORIES), name="supermarket_tax_category"),
            models.CheckConstraint(condition=Q(rate_ppm__lte=PPM), name="supermarket_tax_rate"),
            models.UniqueConstraint(fields=["jurisdiction", "category", "valid_from"], name="supermarket_tax_once"),
        ]


class TaxTreatment(models.Model):
    """How an organisation is taxed, as an operator decided; the newest counts, else that of the hub itself."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    jurisdiction = models.CharField(max_length=8)
    category = models.CharField(max_length=16)
    decided_by = models.CharField(max_length=64)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(category__in=TAX_CATEGORIES), name="supermarket_treatment_category")
        ]
        indexes = [models.Index(fields=["organisation_id", "id"], name="supermarket_treatment_of")]


class InvoiceParty(models.Model):
    """Who an organisation is on invoices; the newest counts, and it is frozen on each invoice."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    address = models.CharField(max_length=500)
    tax_number = models.CharField(max_length=64, blank=True)
    described_by = models.CharField(max_length=64)
    described_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organisation_id", "id"], name="supermarket_party_of")]


class InvoiceMonth(models.Model):
    """A month for which invoices are issued; months are begun in their order, none is left out."""

    id = models.CharField(max_length=64, primary_key=True)
    month = models.DateField(unique=True)
    begun_by = models.CharField(max_length=64)
    begun_at = models.DateTimeField()


class InvoiceSeries(models.Model):
    """The last number that was given in a series and year: locked, counted up and committed with what bears it."""

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=16)
    year = models.PositiveSmallIntegerField()
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "year"], name="supermarket_series_once")]


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    """Filters of invoices."""

    def visible_to(self, actor: Actor) -> "InvoiceQuerySet":
        """Keep those of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Invoice(models.Model):
    """An invoice or a credit note: `document` is exactly the text whose SHA-256 the record holds.

    about_month: of the charges, or of those that they put right; corrects: the invoice of that month, where it has one.
    """

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=16)
    year = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    organisation_id = models.CharField(max_length=64)
    month = models.DateField()
    about_month = models.DateField()
    currency = models.CharField(max_length=3)
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="credit_notes", db_index=False)
    document = models.TextField()
    record_entry_id = models.CharField(max_length=64)
    issued_at = models.DateTimeField()

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=PAPER_KINDS), name="supermarket_invoice_kind"),
            models.CheckConstraint(condition=Q(number__gte=1), name="supermarket_invoice_number"),
            models.UniqueConstraint(fields=["kind", "year", "number"], name="supermarket_invoice_number_once"),
            models.UniqueConstraint(
                fields=["organisation_id", "month", "about_month", "currency"], name="supermarket_invoice_once"
            ),
        ]
        indexes = [models.Index(fields=["organisation_id", "id"], name="supermarket_invoice_owner")]
