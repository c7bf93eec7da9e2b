"""Tables of programmes, the versions of their rules, requests to fund them, and vouchers."""

from django.db import models
from django.db.models import Q

from lilong.common.money import PPM
from lilong.common.permissions import Actor
from lilong.platforms.funding.core.rules import AMOUNT_MAX_UC, VALID_DAYS_MAX, VoucherRule


class ProgrammeQuerySet(models.QuerySet["Programme"]):
    """Filters of programmes."""

    def visible_to(self, actor: Actor) -> "ProgrammeQuerySet":
        """Keep all for whoever is signed in: programmes and their rules are published."""
        return self if actor.organisation_id else self.none()


class Programme(models.Model):
    """Public money with a purpose: a fund account and, in `RuleVersion`, the rule of its vouchers."""

    id = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=120, unique=True)
    account_id = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()

    objects = ProgrammeQuerySet.as_manager()


class RuleVersion(models.Model):
    """One published version of a programme's rule; never changed. Vouchers keep the version of their issue."""

    id = models.CharField(max_length=64, primary_key=True)
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="rules")
    version = models.PositiveIntegerField()
    rate_ppm = models.PositiveIntegerField()
    cap_uc = models.BigIntegerField()
    expires_in_days = models.PositiveIntegerField()
    starter_uc = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["programme", "version"], name="funding_rule_version_once"),
            models.CheckConstraint(condition=Q(rate_ppm__gte=1, rate_ppm__lte=PPM), name="funding_rule_rate"),
            models.CheckConstraint(condition=Q(cap_uc__gte=1, cap_uc__lte=AMOUNT_MAX_UC), name="funding_rule_cap"),
            models.CheckConstraint(
                condition=Q(expires_in_days__gte=1, expires_in_days__lte=VALID_DAYS_MAX), name="funding_rule_days"
            ),
            models.CheckConstraint(
                condition=Q(starter_uc__gte=0, starter_uc__lte=AMOUNT_MAX_UC), name="funding_rule_starter"
            ),
        ]

    @property
    def rule(self) -> VoucherRule:
        """Return the rule as the core knows it."""
        return VoucherRule(
            rate_ppm=self.rate_ppm,
            cap_uc=self.cap_uc,
            expires_in_days=self.expires_in_days,
            starter_uc=self.starter_uc,
        )


class FundRequest(models.Model):
    """A request to pay into a programme's fund. It waits for its case and is then posted or refused, once."""

    id = models.CharField(max_length=64, primary_key=True)
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="fund_requests")
    amount_uc = models.BigIntegerField()
    reference = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    case_id = models.CharField(max_length=64, unique=True)
    closed_at = models.DateTimeField(null=True)
    posted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_uc__gte=1, amount_uc__lte=AMOUNT_MAX_UC), name="funding_request_amount"
            ),
            models.CheckConstraint(condition=Q(posted=False) | Q(closed_at__isnull=False), name="funding_request_end"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(closed_at=None), name="funding_request_open")]


class VoucherQuerySet(models.QuerySet["Voucher"]):
    """Filters of vouchers."""

    def visible_to(self, actor: Actor) -> "VoucherQuerySet":
        """Keep the vouchers of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Voucher(models.Model):
    """Money of a programme for one organisation, in an account of its own.

    closed_at: it has expired and everything that was left went back to the programme.
    """

    id = models.CharField(max_length=64, primary_key=True)
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="vouchers")
    rule = models.ForeignKey(RuleVersion, models.PROTECT, related_name="vouchers")
    organisation_id = models.CharField(max_length=64, db_index=True)
    account_id = models.CharField(max_length=64, unique=True)
    issued_uc = models.BigIntegerField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    starter = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True)

    objects = VoucherQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["programme", "organisation_id"], condition=Q(starter=True), name="funding_one_starter"
            ),
            models.CheckConstraint(condition=Q(issued_uc__gte=1), name="funding_voucher_amount"),
        ]
        indexes = [models.Index(fields=["expires_at"], condition=Q(closed_at=None), name="funding_voucher_expiry")]
