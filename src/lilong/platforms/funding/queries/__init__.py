"""Reads of programmes and vouchers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.members.public import (
    OrganisationKind,
    OrganisationState,
    OrganisationView,
    list_organisations_in,
)
from lilong.platforms.funding.core.rules import VoucherRule
from lilong.platforms.funding.models import Programme, RuleVersion, Voucher
from lilong.platforms.funding.queries.entitlement import find_rules

STARTER_KINDS = frozenset({OrganisationKind.RESIDENT, OrganisationKind.VIRTUAL, OrganisationKind.MAKER})


@dataclass(frozen=True, slots=True)
class ProgrammeView:
    """A programme, its rule in force and what its fund holds."""

    id: str
    name: str
    account_id: str
    rule: VoucherRule
    rule_version: int
    rule_sha256: str
    available_uc: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VoucherView:
    """A voucher as it stands: what is available and what quotes and orders reserve. rate_ppm: the most that it pays."""

    id: str
    programme_id: str
    programme_name: str
    organisation_id: str
    account_id: str
    rate_ppm: int
    cap_uc: int
    rule_version: int
    rule_sha256: str
    issued_uc: int
    available_uc: int
    reserved_uc: int
    issued_at: datetime
    expires_at: datetime
    starter: bool
    closed_at: datetime | None


def list_programmes(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[ProgrammeView]:
    """Return a page of programmes with the rule that is in force, newest first. Three queries."""
    page = page_newest_first(Programme.objects.visible_to(actor), cursor=cursor, limit=limit)
    rules = find_rules(programme_ids=[each.id for each in page.items], now=now)
    balances = get_balances(account_ids=[each.account_id for each in page.items])
    views = [
        ProgrammeView(
            id=each.id,
            name=each.name,
            account_id=each.account_id,
            rule=rules[each.id].rule,
            rule_version=rules[each.id].version,
            rule_sha256=rules[each.id].sha256,
            available_uc=balances[each.account_id].available_uc,
            created_at=each.created_at,
        )
        for each in page.items
    ]
    return Page(items=views, next_cursor=page.next_cursor)


def list_vouchers(*, actor: Actor, cursor: str | None, limit: int) -> Page[VoucherView]:
    """Return a page of the vouchers that the actor may see, newest first. Two queries."""
    vouchers = Voucher.objects.visible_to(actor).select_related("programme", "rule")
    page = page_newest_first(vouchers, cursor=cursor, limit=limit)
    balances = get_balances(account_ids=[each.account_id for each in page.items])
    views = [
        VoucherView(
            id=each.id,
            programme_id=each.programme_id,
            programme_name=each.programme.name,
            organisation_id=each.organisation_id,
            account_id=each.account_id,
            rate_ppm=each.rule.rule.highest_ppm,
            cap_uc=each.rule.rule.cap_uc,
            rule_version=each.rule.version,
            rule_sha256=each.rule.sha256,
            issued_uc=each.issued_uc,
            available_uc=balances[each.account_id].available_uc,
            reserved_uc=balances[each.account_id].pending_out_uc,
            issued_at=each.issued_at,
            expires_at=each.expires_at,
            starter=each.starter,
            closed_at=each.closed_at,
        )
        for each in page.items
    ]
    return Page(items=views, next_cursor=page.next_cursor)


def find_programmes(*, voucher_ids: Sequence[str]) -> dict[str, str]:
    """Return the programme of each of these vouchers, by voucher id. One query."""
    return dict(Voucher.objects.filter(id__in=voucher_ids).values_list("id", "programme_id"))


def list_expired(*, now: datetime) -> list[str]:
    """Return the ids of expired vouchers of which something can be returned or which can be closed. Two queries."""
    expired = Voucher.objects.filter(closed_at=None, expires_at__lte=now).order_by("expires_at", "id")
    accounts = dict(expired.values_list("id", "account_id"))
    balances = get_balances(account_ids=list(accounts.values()))
    return [
        voucher_id
        for voucher_id, account_id in accounts.items()
        if balances[account_id].available_uc or not balances[account_id].pending_out_uc
    ]


def is_newcomer(*, organisation: OrganisationView) -> bool:
    """Say whether this is an organisation for which starters are meant: an admitted one that comes to buy."""
    return organisation.kind in STARTER_KINDS and organisation.state is OrganisationState.ADMITTED


def find_rule_at(*, versions: Sequence[RuleVersion], moment: datetime) -> RuleVersion | None:
    """Return the version in force at `moment`; versions in the order of their numbers."""
    valid = [version for version in versions if version.valid_from <= moment]
    return valid[-1] if valid else None


def list_starters_due() -> list[str]:
    """Return the organisations that a programme owes a starter which its fund can bear. Five queries."""
    rules: dict[Programme, list[RuleVersion]] = {}
    for version in RuleVersion.objects.select_related("programme").order_by("version"):
        rules.setdefault(version.programme, []).append(version)
    givers = [programme for programme, versions in rules.items() if any(each.rule.starter_uc for each in versions)]
    if not givers:
        return []
    organisations = list_organisations_in(state=OrganisationState.ADMITTED)
    newcomers = [organisation for organisation in organisations if is_newcomer(organisation=organisation)]
    balances = get_balances(account_ids=[programme.account_id for programme in givers])
    given = set(Voucher.objects.filter(starter=True).values_list("programme_id", "organisation_id"))
    due: dict[str, None] = {}
    for programme in givers:
        for organisation in newcomers:
            rule = find_rule_at(versions=rules[programme], moment=organisation.created_at)
            if (
                rule is not None
                and 0 < rule.rule.starter_uc <= balances[programme.account_id].available_uc
                and (programme.id, organisation.id) not in given
            ):
                due[organisation.id] = None
    return list(due)
