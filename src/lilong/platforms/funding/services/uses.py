"""What vouchers pay for orders, counted against yearly caps: in the transactions that move the money."""

from collections.abc import Mapping
from datetime import datetime

from django.db.models import QuerySet

from lilong.platforms.funding.models import Voucher, VoucherUse
from lilong.platforms.funding.queries.entitlement import find_hub_zone, sum_year_uses


def lock_vouchers(*, organisation_id: str) -> None:
    """Let no other quote of the organisation reserve voucher value until the transaction ends.

    Whoever reserves looks at the year's sum after this, so that no two quotes see the same room under a cap.
    """
    list(_lock(Voucher.objects.filter(organisation_id=organisation_id, closed_at=None)))


def reserve_uses(*, order_id: str, parts_uc: Mapping[str, int]) -> None:
    """Count what a quote reserves on each voucher, by voucher id, until `settle_uses` says what was paid."""
    VoucherUse.objects.bulk_create(
        VoucherUse(order_id=order_id, voucher_id=voucher_id, amount_uc=amount_uc)
        for voucher_id, amount_uc in parts_uc.items()
    )


def settle_uses(*, order_id: str, parts_uc: Mapping[str, int], now: datetime) -> None:
    """Count what was paid in the end, by voucher id, in the calendar year of the settlement; of others nothing.

    A correction is told by another call and stays in that year.
    """
    year = now.astimezone(find_hub_zone()).year
    for use in VoucherUse.objects.filter(order_id=order_id):
        use.amount_uc, use.year = parts_uc.get(use.voucher_id, 0), use.year or year
        use.paid_at = use.paid_at or now
        use.save(update_fields=["amount_uc", "year", "paid_at"])


def find_short_use(*, order_id: str, parts_uc: Mapping[str, int]) -> str:
    """Return the voucher by which a correction would exceed its programme's cap of that year, empty for none.

    Locks the vouchers that are to pay more; call `settle_uses` in the same transaction.
    """
    uses = VoucherUse.objects.filter(order_id=order_id)
    more = {use.voucher_id: use for use in uses if parts_uc.get(use.voucher_id, 0) > use.amount_uc}
    if not more:
        return ""
    vouchers = _lock(Voucher.objects.filter(id__in=list(more)))
    for voucher in vouchers:
        use, year_cap_uc = more[voucher.id], voucher.rule.rule.year_cap_uc
        if year_cap_uc is None or use.year is None:
            continue
        used = sum_year_uses(
            organisation_id=voucher.organisation_id, programme_ids=[voucher.programme_id], year=use.year
        )
        if used.get(voucher.programme_id, 0) - use.amount_uc + parts_uc[voucher.id] > year_cap_uc:
            return voucher.id
    return ""


def _lock(vouchers: QuerySet[Voucher]) -> QuerySet[Voucher]:
    return vouchers.select_for_update(of=("self",)).select_related("rule").order_by("id")
