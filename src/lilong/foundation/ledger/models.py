"""Tables of the books. The constraints refuse what must never be; rows are written by `sql.py` alone."""

from typing import Self, TypeVar

from django.db import models
from django.db.models import F, Q

from lilong.common.permissions import Actor
from lilong.foundation.ledger.core.accounts import FLOORLESS_KINDS, AccountKind
from lilong.foundation.ledger.core.bank.matching import PaymentKind
from lilong.foundation.ledger.core.bank.statements import (
    ACCOUNT_LENGTH_MAX,
    REMITTANCE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.core.transfers import AMOUNT_MAX_UC, RESOLUTIONS, TransferKind

SUM_MAX_UC = 10**18
# Migrations freeze texts, not enums that may move.
ACCOUNT_KINDS = sorted(kind.value for kind in AccountKind)
FLOORLESS = sorted(kind.value for kind in FLOORLESS_KINDS)
TRANSFER_KINDS = sorted(kind.value for kind in TransferKind)
TOP_UP_STATES = sorted(state.value for state in TopUpState)
PAY_OUT_STATES = sorted(state.value for state in PayOutState)
PAYMENT_KINDS = sorted(kind.value for kind in PaymentKind)
RESOLUTION_KINDS = sorted(kind.value for kind in RESOLUTIONS)


class AccountQuerySet(models.QuerySet["Account"]):
    """Filters of accounts."""

    def visible_to(self, actor: Actor) -> "AccountQuerySet":
        """Keep the accounts of the actor's organisation; operators see all, nobody else anything."""
        if actor.is_operator:
            return self
        return self.filter(owner_id=actor.organisation_id) if actor.organisation_id else self.none()


class Account(models.Model):
    """An account. Sums of a floored one are exact; those of a floorless one lack what stands in `Tail`."""

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=32)
    owner_id = models.CharField(max_length=64)
    purpose = models.CharField(max_length=64, blank=True)
    restriction = models.CharField(max_length=64, blank=True)
    floor_uc = models.BigIntegerField(null=True)
    posted_uc = models.BigIntegerField(default=0)
    pending_out_uc = models.BigIntegerField(default=0)
    pending_in_uc = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "owner_id", "purpose"], name="ledger_account_once"),
            models.CheckConstraint(condition=Q(kind__in=ACCOUNT_KINDS), name="ledger_account_kind"),
            models.CheckConstraint(
                condition=Q(kind__in=FLOORLESS, floor_uc=None) | (~Q(kind__in=FLOORLESS) & Q(floor_uc=0)),
                name="ledger_account_floor_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(floor_uc=None) | Q(posted_uc__gte=F("floor_uc") + F("pending_out_uc")),
                name="ledger_account_floor",
            ),
            models.CheckConstraint(
                condition=Q(floor_uc=None) | Q(pending_out_uc__gte=0, pending_in_uc__gte=0),
                name="ledger_account_pending",
            ),
            models.CheckConstraint(
                condition=Q(posted_uc__gte=-SUM_MAX_UC, posted_uc__lte=SUM_MAX_UC, pending_in_uc__lte=SUM_MAX_UC),
                name="ledger_account_range",
            ),
        ]
        indexes = [
            models.Index(fields=["owner_id", "id"], name="ledger_account_by_owner"),
            models.Index(fields=["kind", "id"], name="ledger_account_by_kind"),
        ]


class TransferQuerySet(models.QuerySet["Transfer"]):
    """Filters of transfers."""

    def visible_to(self, actor: Actor) -> "TransferQuerySet":
        """Keep what debits or credits an account of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        mine = Account.objects.visible_to(actor).values("pk")
        return self.filter(Q(debit_account__in=mine) | Q(credit_account__in=mine))


class Transfer(models.Model):
    """A transfer as it was posted. Triggers refuse every change of it.

    held_uc: of a settle or void, the amount of the hold that it ends.
    """

    id = models.CharField(max_length=64, primary_key=True)
    kind = models.CharField(max_length=8)
    # The two indexes below begin with the account, so Django's own would be a second one.
    debit_account = models.ForeignKey(Account, models.PROTECT, related_name="debits", db_index=False)
    credit_account = models.ForeignKey(Account, models.PROTECT, related_name="credits", db_index=False)
    amount_uc = models.BigIntegerField()
    pending = models.ForeignKey("self", models.PROTECT, null=True, related_name="resolutions", db_index=False)
    held_uc = models.BigIntegerField(null=True)
    group_id = models.CharField(max_length=64)
    code = models.CharField(max_length=64)
    subject = models.CharField(max_length=64, blank=True)
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="corrections", db_index=False)

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TRANSFER_KINDS), name="ledger_transfer_kind"),
            models.CheckConstraint(
                condition=Q(amount_uc__gte=0, amount_uc__lte=AMOUNT_MAX_UC), name="ledger_transfer_amount"
            ),
            models.CheckConstraint(
                condition=~Q(debit_account=F("credit_account")), name="ledger_transfer_two_accounts"
            ),
            models.CheckConstraint(
                condition=(
                    Q(kind__in=RESOLUTION_KINDS, pending__isnull=False, held_uc__isnull=False)
                    | (~Q(kind__in=RESOLUTION_KINDS) & Q(pending__isnull=True, held_uc__isnull=True))
                ),
                name="ledger_transfer_pending",
            ),
            models.CheckConstraint(
                condition=Q(held_uc=None) | Q(amount_uc__lte=F("held_uc")), name="ledger_transfer_within_hold"
            ),
            models.CheckConstraint(
                condition=~Q(kind=TransferKind.VOID.value) | Q(amount_uc=0), name="ledger_transfer_void_moves_nothing"
            ),
            models.CheckConstraint(condition=Q(effective_at__lte=F("recorded_at")), name="ledger_transfer_effective"),
            models.UniqueConstraint(
                fields=["pending"], condition=Q(pending__isnull=False), name="ledger_transfer_one_resolution"
            ),
        ]
        indexes = [
            models.Index(fields=["debit_account", "effective_at"], name="ledger_transfer_debits"),
            models.Index(fields=["credit_account", "effective_at"], name="ledger_transfer_credits"),
            models.Index(fields=["subject"], condition=~Q(subject=""), name="ledger_transfer_subject"),
        ]


class Tail(models.Model):
    """A change of a floorless account that is not yet in its sums. `roll_up` moves it there and deletes the row."""

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix; half the width of a text id
    account = models.ForeignKey(Account, models.PROTECT, related_name="tail", db_index=False)
    posted_uc = models.BigIntegerField()
    pending_out_uc = models.BigIntegerField()
    pending_in_uc = models.BigIntegerField()


class Period(models.Model):
    """A closed stretch of the books: no later transfer may count for a moment before `ends_at`."""

    id = models.CharField(max_length=64, primary_key=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__lte=F("closed_at")), name="ledger_period_past"),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(starts_at__lt=F("ends_at")), name="ledger_period_order"
            ),
        ]


class ClosingBalance(models.Model):
    """Sums of an account at the end of a period, by the moments that transfers count for.

    One that is empty and did not move in the period has none.
    """

    id = models.CharField(max_length=64, primary_key=True)
    period = models.ForeignKey(Period, models.PROTECT, related_name="balances", db_index=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="closings", db_index=False)
    posted_uc = models.BigIntegerField()
    pending_out_uc = models.BigIntegerField()
    pending_in_uc = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["period", "account"], name="ledger_closing_once"),
        ]


PaymentT = TypeVar("PaymentT", bound="Payment")


class PaymentQuerySet(models.QuerySet[PaymentT]):
    """Filters of top-ups and of pay-outs."""

    def visible_to(self, actor: Actor) -> Self:
        """Keep those of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()


class Payment(models.Model):
    """What top-ups and pay-outs have in common: money that enters or leaves when its case is approved."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    amount_uc = models.BigIntegerField()
    requested_by = models.CharField(max_length=64)
    requested_at = models.DateTimeField()
    case_id = models.CharField(max_length=64)
    state = models.CharField(max_length=16)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class TopUp(Payment):
    """Money that came in outside and is to be entered into a wallet. A reference is entered once per organisation."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="top_ups", db_index=False)
    reference = models.CharField(max_length=140)

    objects = PaymentQuerySet["TopUp"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=TOP_UP_STATES), name="ledger_top_up_state"),
            models.CheckConstraint(
                condition=Q(amount_uc__gt=0, amount_uc__lte=AMOUNT_MAX_UC), name="ledger_top_up_amount"
            ),
            models.UniqueConstraint(fields=["organisation_id", "reference"], name="ledger_top_up_once"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="requested"), name="ledger_top_up_waiting")]


class PayOut(Payment):
    """Money that an organisation has earned and wants outside; held on its available account until sent or refused."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="pay_outs", db_index=False)
    beneficiary = models.CharField(max_length=140)
    bank_reference = models.CharField(max_length=140, blank=True)

    objects = PaymentQuerySet["PayOut"].as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=PAY_OUT_STATES), name="ledger_pay_out_state"),
            models.CheckConstraint(
                condition=Q(amount_uc__gt=0, amount_uc__lte=AMOUNT_MAX_UC), name="ledger_pay_out_amount"
            ),
            models.CheckConstraint(
                condition=~Q(state=PayOutState.SENT.value) | ~Q(bank_reference=""), name="ledger_pay_out_sent"
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="requested"), name="ledger_pay_out_waiting")]


class BankFile(models.Model):
    """A file of statements that was imported: the same again changes nothing. Triggers keep this and all below."""

    id = models.CharField(max_length=64, primary_key=True)
    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    imported_by = models.CharField(max_length=64)
    imported_at = models.DateTimeField()


class BankStatement(models.Model):
    """What the bank says of an account from one day to another, both among them. digest: whichever file has it."""

    id = models.CharField(max_length=64, primary_key=True)
    file = models.ForeignKey(BankFile, models.PROTECT, related_name="statements", db_index=False)
    digest = models.CharField(max_length=64, unique=True)
    account = models.CharField(max_length=ACCOUNT_LENGTH_MAX)
    currency = models.CharField(max_length=3)
    decimals = models.SmallIntegerField()
    bank_id = models.CharField(max_length=TEXT_LENGTH_MAX, blank=True)
    begins_on = models.DateField()
    ends_on = models.DateField()
    opening_minor = models.BigIntegerField()
    closing_minor = models.BigIntegerField()
    imported_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(begins_on__lte=F("ends_on")), name="ledger_bank_statement_days"),
        ]


class BankEntry(models.Model):
    """An entry, once, whichever statements have it. amount_minor: signed, in the currency's smallest unit."""

    id = models.CharField(max_length=64, primary_key=True)
    identity = models.CharField(max_length=64, unique=True)
    account = models.CharField(max_length=ACCOUNT_LENGTH_MAX)
    booked_on = models.DateField(db_index=True)
    value_on = models.DateField()
    amount_minor = models.BigIntegerField()
    bank_reference = models.CharField(max_length=TEXT_LENGTH_MAX, blank=True)
    end_to_end = models.CharField(max_length=TEXT_LENGTH_MAX, blank=True)
    remittance = models.CharField(max_length=REMITTANCE_LENGTH_MAX, blank=True)
    counterparty = models.CharField(max_length=TEXT_LENGTH_MAX, blank=True)


class BankStatementEntry(models.Model):
    """That a statement has an entry. position: sorts them as the bank does, across pages."""

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    statement = models.ForeignKey(BankStatement, models.PROTECT, related_name="lines", db_index=False)
    entry = models.ForeignKey(BankEntry, models.PROTECT, related_name="lines")
    position = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["statement", "position"], name="ledger_bank_position"),
            models.UniqueConstraint(fields=["statement", "entry"], name="ledger_bank_entry_once"),
        ]


class BankMatch(models.Model):
    """What a person confirmed: this entry is this payment. Of each there is one, for good."""

    id = models.CharField(max_length=64, primary_key=True)
    entry = models.OneToOneField(BankEntry, models.PROTECT, related_name="match")
    payment_kind = models.CharField(max_length=16)
    payment_id = models.CharField(max_length=64, unique=True)
    confirmed_by = models.CharField(max_length=64)
    confirmed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(payment_kind__in=PAYMENT_KINDS), name="ledger_bank_match_kind"),
        ]
