"""Tables of programmes, their rules and funding, vouchers, what each of them pays, and what is asked back of it."""

import json

from django.db import models
from django.db.models import F, Q

from lilong.common.permissions import Actor
from lilong.platforms.funding.core.claw_back import ClawBackState
from lilong.platforms.funding.core.packs import ProposalState
from lilong.platforms.funding.core.rules import AMOUNT_MAX_UC, ClawBackReason, VoucherRule, read_rule

# Migrations freeze texts, not enums that may move.
PROPOSAL_STATES = sorted(state.value for state in ProposalState)
CLAW_BACK_STATES = sorted(state.value for state in ClawBackState)
CLAW_BACK_REASONS = sorted(reason.value for reason in ClawBackReason)


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
    """One published version of a programme's rule; never changed. Vouchers keep the version of their issue.

    document: the canonical JSON of which `sha256` is the hash. valid_from: from when it is in force, until a later one
    is; a higher number is never in force before a lower one.
    """

    id = models.CharField(max_length=64, primary_key=True)
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="rules")
    version = models.PositiveIntegerField()
    document = models.TextField()
    sha256 = models.CharField(max_length=64)
    published_at = models.DateTimeField()
    valid_from = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["programme", "version"], name="funding_rule_version_once"),
            models.CheckConstraint(condition=Q(valid_from__gte=F("published_at")), name="funding_rule_not_in_the_past"),
        ]

    @property
    def rule(self) -> VoucherRule:
        """Return the rule as the core knows it."""
        return read_rule(document=json.loads(self.document))


class RuleProposal(models.Model):
    """The next version of a programme's rule, as the file that somebody handed in; another operator decides.

    pack: its bytes as text, of which pack_sha256 is the hash: a number stands for them for good, also when refused.
    valid_from: from when it is to be in force; approved later, it is from then on.
    """

    id = models.CharField(max_length=64, primary_key=True)
    programme = models.ForeignKey(Programme, models.PROTECT, related_name="proposals")
    version = models.PositiveIntegerField()
    pack = models.TextField()
    pack_sha256 = models.CharField(max_length=64)
    valid_from = models.DateTimeField()
    proposed_by = models.CharField(max_length=64)
    proposed_at = models.DateTimeField()
    case_id = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=16, default=ProposalState.OPEN.value)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["programme", "version"], name="funding_proposal_version_once"),
            models.UniqueConstraint(
                fields=["programme"], condition=Q(state=ProposalState.OPEN.value), name="funding_one_open_proposal"
            ),
            models.CheckConstraint(condition=Q(state__in=PROPOSAL_STATES), name="funding_proposal_state"),
        ]


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


class VoucherUse(models.Model):
    """What a voucher pays for one order: the most that it may while quote and order live, then what it paid.

    year: the hub's calendar year in which it was settled; while it is None, it counts in whatever year it is.
    paid_at: when it was settled, None until then.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    order_id = models.CharField(max_length=64)
    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="uses")
    amount_uc = models.BigIntegerField()
    year = models.PositiveSmallIntegerField(null=True)
    paid_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order_id", "voucher"], name="funding_use_once"),
            models.CheckConstraint(condition=Q(amount_uc__gte=0), name="funding_use_amount"),
        ]
        indexes = [models.Index(fields=["voucher", "year"], name="funding_use_year")]


class Declaration(models.Model):
    """What an organisation declares of itself for voucher rules; never changed, the latest counts.

    country: by two letters, where it is registered; purposes: codes of `Purpose`.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    country = models.CharField(max_length=2, blank=True)
    founded_on = models.DateField(null=True)
    head_count = models.PositiveIntegerField(null=True)
    purposes = models.JSONField()
    declared_by = models.CharField(max_length=64)
    declared_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["organisation_id", "id"], name="funding_declaration_latest")]


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Filters of decisions."""

    def visible_to(self, actor: Actor) -> "DecisionQuerySet":
        """Keep those about the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Decision(models.Model):
    """Whether an organisation was given a voucher that was asked for, by which version of the rule, and why not.

    voucher_id: what was given, else empty; code, reason and thresholds: what refused it, and how far it is from
    passing. decided_by: the operator, empty for a starter.
    """

    id = models.CharField(max_length=64, primary_key=True)
    rule = models.ForeignKey(RuleVersion, models.PROTECT, related_name="decisions")
    organisation_id = models.CharField(max_length=64)
    amount_uc = models.BigIntegerField()
    voucher_id = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=60, blank=True)
    reason = models.CharField(max_length=2000, blank=True)
    thresholds = models.JSONField()
    decided_by = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField()

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(code="") & ~Q(voucher_id="")) | (~Q(code="") & Q(voucher_id="")),
                name="funding_decision_either",
            )
        ]
        indexes = [models.Index(fields=["organisation_id", "id"], name="funding_decision_owner")]


class ClawBackQuerySet(models.QuerySet["ClawBack"]):
    """Filters of what is asked back."""

    def visible_to(self, actor: Actor) -> "ClawBackQuerySet":
        """Keep what is asked of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class ClawBack(models.Model):
    """Money of a voucher that is asked back because it should not have been used, as its rule allows.

    organisation_id: whose voucher it is. claimed_uc: what stands claimed in the ledger, of which taken_uc is back in
    the fund; both follow the transfers of their transaction. moves: how often money moved, so that each has an id.
    """

    id = models.CharField(max_length=64, primary_key=True)
    voucher = models.ForeignKey(Voucher, models.PROTECT, related_name="claw_backs")
    organisation_id = models.CharField(max_length=64)
    reason = models.CharField(max_length=32)
    detail = models.CharField(max_length=1000)
    case_id = models.CharField(max_length=64, unique=True)
    asked_by = models.CharField(max_length=64)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=16, default=ClawBackState.ASKED.value)
    decided_at = models.DateTimeField(null=True)
    claimed_uc = models.BigIntegerField(default=0)
    taken_uc = models.BigIntegerField(default=0)
    moves = models.PositiveIntegerField(default=0)

    objects = ClawBackQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CLAW_BACK_STATES), name="funding_claw_back_state"),
            models.CheckConstraint(condition=Q(reason__in=CLAW_BACK_REASONS), name="funding_claw_back_reason"),
            models.CheckConstraint(
                condition=Q(taken_uc__gte=0, claimed_uc__gte=F("taken_uc")), name="funding_claw_back_sums"
            ),
        ]
        indexes = [
            models.Index(fields=["organisation_id", "id"], name="funding_claw_back_owner"),
            models.Index(fields=["state", "id"], name="funding_claw_back_by_state"),
        ]


class ClawBackUse(models.Model):
    """One use of a voucher that is asked back, and how much it came to then.

    is_live: while asked for or approved; of one use that holds once, so that nothing is asked back twice.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    claw_back = models.ForeignKey(ClawBack, models.PROTECT, related_name="uses")
    use = models.ForeignKey(VoucherUse, models.PROTECT, related_name="asked_back")
    asked_uc = models.BigIntegerField()
    is_live = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["use"], condition=Q(is_live=True), name="funding_asked_back_once"),
            models.CheckConstraint(condition=Q(asked_uc__gte=1), name="funding_asked_back_amount"),
        ]
