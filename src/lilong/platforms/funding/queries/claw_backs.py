"""Reads of what is asked back of vouchers, and of what could be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, Least

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.public import AccountKind, find_balance
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.funding.core.claw_back import ClawBackState, PaidUse, sum_due
from lilong.platforms.funding.core.rules import ClawBackReason, VoucherRule
from lilong.platforms.funding.models import ClawBack, ClawBackUse, Voucher, VoucherUse

OPERATORS = frozenset({Role.OPERATOR})
USES_MAX = 200
IS_ASKED, PAID_UC, ORDERS = "is_asked", "paid_uc", "orders"
"""Names of columns that a query adds to rows."""
WITH_USES = Prefetch("uses", ClawBackUse.objects.select_related("use").order_by("id"))


class VoucherMissing(NotFound):
    """There is no such voucher."""

    code = "funding.voucher_missing"
    title = "There is no such voucher"
    next_step = "Read the ids of vouchers with GET /api/v1/vouchers."


@dataclass(frozen=True, slots=True)
class ClawBackView:
    """What is asked back of a voucher and where that stands.

    asked_uc: what the uses came to when it was asked; due_uc: what is to be taken back by now, 0 unless approved;
    taken_uc: of that, what is in the fund; owed_uc: what is still to come out of the wallet.
    """

    id: str
    voucher_id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    rule_version: int
    rule_sha256: str
    reason: ClawBackReason
    detail: str
    order_ids: tuple[str, ...]
    asked_uc: int
    due_uc: int
    taken_uc: int
    owed_uc: int
    state: ClawBackState
    case_id: str
    asked_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class PayingVoucher:
    """A voucher that paid for orders. reasons: for which its rule asks money back, none where it never does."""

    voucher_id: str
    programme_name: str
    organisation_id: str
    organisation_name: str
    rule_version: int
    rule: VoucherRule
    paid_uc: int
    orders: int

    @property
    def reasons(self) -> tuple[ClawBackReason, ...]:
        """For which reasons the rule of its issue lets money be asked back."""
        return self.rule.claw_back.reasons if self.rule.claw_back else ()


@dataclass(frozen=True, slots=True)
class AskableVoucher:
    """A voucher with what it paid, newest first, at most USES_MAX orders."""

    voucher: PayingVoucher
    uses: tuple[PaidUse, ...]


def list_claw_backs(*, actor: Actor, cursor: str | None, limit: int) -> Page[ClawBackView]:
    """Return a page of what was asked back of the actor's organisation, newest first; operators see all.

    Two queries.
    """
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = ClawBack.objects.visible_to(actor).select_related("voucher__programme", "voucher__rule")
    page = page_newest_first(rows.prefetch_related(WITH_USES), cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def list_paying_vouchers(*, actor: Actor, cursor: str | None, limit: int) -> Page[PayingVoucher]:
    """Return a page of the vouchers that paid for anything, newest first; for operators. Two queries."""
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    page = page_newest_first(_sum_paid(), cursor=cursor, limit=limit)
    names = name_organisations(organisation_ids={row.organisation_id for row in page.items})
    return Page(items=[_put(row, names) for row in page.items], next_cursor=page.next_cursor)


def get_askable(*, actor: Actor, voucher_id: str) -> AskableVoucher:
    """Return a voucher that paid for something with its uses; for operators; raises VoucherMissing. Three queries."""
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    row = _sum_paid().filter(id=voucher_id).first()
    if row is None:
        raise VoucherMissing(detail=say("There is no voucher {voucher_id} that paid.", voucher_id=voucher_id[:64]))
    names = name_organisations(organisation_ids=[row.organisation_id])
    return AskableVoucher(voucher=_put(row, names), uses=list_paid_uses(voucher_id=voucher_id))


def list_paid_uses(*, voucher_id: str, order_ids: Sequence[str] | None = None) -> tuple[PaidUse, ...]:
    """Return what a voucher was used for, newest first: the orders named, else at most USES_MAX. One query."""
    asked = Exists(ClawBackUse.objects.filter(use=OuterRef("pk"), is_live=True))
    uses = VoucherUse.objects.filter(voucher_id=voucher_id).annotate(**{IS_ASKED: asked}).order_by("-id")
    rows = uses[:USES_MAX] if order_ids is None else uses.filter(order_id__in=order_ids)
    return tuple(
        PaidUse(
            order_id=row.order_id,
            amount_uc=row.amount_uc,
            paid_at=row.paid_at,
            is_asked_back=bool(getattr(row, IS_ASKED)),
        )
        for row in rows
    )


def list_moving() -> list[str]:
    """Return approved and overturned claims of which more or less is claimed than is due, or not all is taken.

    Of what is owed only where the wallet has something. Three queries, and one for each organisation that owes.
    Cost: linear in what was ever approved.
    """
    due = Coalesce(Sum(Least("uses__asked_uc", "uses__use__amount_uc")), 0)
    approved = ClawBack.objects.filter(state=ClawBackState.APPROVED).annotate(due_uc=due)
    overturned = ClawBack.objects.filter(state=ClawBackState.OVERTURNED, claimed_uc__gt=0)
    changed = [row.id for row in approved.exclude(claimed_uc=F("due_uc"))]
    owing = dict(ClawBack.objects.filter(claimed_uc__gt=F("taken_uc")).values_list("id", "organisation_id"))
    solvent = {organisation_id for organisation_id in set(owing.values()) if _has_money(organisation_id)}
    collectable = [claw_back_id for claw_back_id, organisation_id in owing.items() if organisation_id in solvent]
    return sorted({*changed, *overturned.values_list("id", flat=True), *collectable})


def sum_claw_back(*, row: ClawBack) -> int:
    """Return what is to be taken back by now, by what the vouchers have paid for its orders by now."""
    asked = [(each.asked_uc, each.use.amount_uc) for each in row.uses.all()]
    return sum_due(asked=asked, is_overturned=row.state != ClawBackState.APPROVED)


def _sum_paid() -> QuerySet[Voucher]:
    paid = Q(uses__paid_at__isnull=False, uses__amount_uc__gt=0)
    sums = {PAID_UC: Sum("uses__amount_uc", filter=paid), ORDERS: Count("uses", filter=paid)}
    return Voucher.objects.annotate(**sums).filter(**{f"{PAID_UC}__gt": 0}).select_related("programme", "rule")


def _has_money(organisation_id: str) -> bool:
    wallet = find_balance(kind=AccountKind.WALLET, owner_id=organisation_id)
    return wallet is not None and wallet.available_uc > 0


def _view(row: ClawBack) -> ClawBackView:
    uses: Iterable[ClawBackUse] = row.uses.all()
    return ClawBackView(
        id=row.id,
        voucher_id=row.voucher_id,
        programme_id=row.voucher.programme_id,
        programme_name=row.voucher.programme.name,
        organisation_id=row.organisation_id,
        rule_version=row.voucher.rule.version,
        rule_sha256=row.voucher.rule.sha256,
        reason=ClawBackReason(row.reason),
        detail=row.detail,
        order_ids=tuple(sorted(each.use.order_id for each in uses)),
        asked_uc=sum(each.asked_uc for each in uses),
        due_uc=sum_claw_back(row=row),
        taken_uc=row.taken_uc,
        owed_uc=row.claimed_uc - row.taken_uc,
        state=ClawBackState(row.state),
        case_id=row.case_id,
        asked_at=row.asked_at,
        decided_at=row.decided_at,
    )


def _put(row: Voucher, names: Mapping[str, str]) -> PayingVoucher:
    return PayingVoucher(
        voucher_id=row.id,
        programme_name=row.programme.name,
        organisation_id=row.organisation_id,
        organisation_name=names.get(row.organisation_id, row.organisation_id),
        rule_version=row.rule.version,
        rule=row.rule.rule,
        paid_uc=int(getattr(row, PAID_UC)),
        orders=int(getattr(row, ORDERS)),
    )
