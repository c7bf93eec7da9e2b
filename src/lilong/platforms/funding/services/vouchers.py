"""Issue vouchers out of programmes, give starters, return what is left when they expire."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Sum

from lilong.common.errors import FieldProblem, InputInvalid, LimitReached
from lilong.common.ids import new_id
from lilong.common.money import format_credits
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import join_sentences, say
from lilong.common.time import format_moment
from lilong.foundation.ledger.public import (
    AccountKind,
    LinkGroup,
    Transfer,
    TransferKind,
    get_balances,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.members.public import OrganisationState, OrganisationView, get_organisations
from lilong.foundation.notices.public import list_posted, post_notice
from lilong.foundation.record.public import append
from lilong.platforms.funding.core.deciding import Refused, check_budget, explain, list_facts
from lilong.platforms.funding.core.rules import AMOUNT_MAX_UC, expiry_of
from lilong.platforms.funding.models import Decision, Programme, RuleVersion, Voucher
from lilong.platforms.funding.queries import find_rule_at, is_newcomer
from lilong.platforms.funding.queries.entitlement import (
    find_hub_zone,
    find_refusal,
    get_member_facts,
    list_pays,
    sum_year_uses,
)
from lilong.platforms.funding.services.programmes import lock_programme

TELL_BEFORE = timedelta(days=7)

log = structlog.get_logger()


class VoucherRefused(InputInvalid):
    """The voucher cannot be issued as asked."""

    code = "funding.voucher_refused"
    title = "This voucher cannot be issued"
    next_step = "Correct the fields named here."


class FundShort(LimitReached):
    """The programme's fund does not cover the voucher."""

    code = "funding.fund_short"
    title = "The programme has not enough money"
    status = 402
    next_step = "Pay into the programme's fund or issue a smaller voucher."


def issue_voucher(*, actor: Actor, programme_id: str, organisation_id: str, amount_uc: int, now: datetime) -> str:
    """Move money from a programme's fund into a new voucher of an admitted organisation; return the voucher's id.

    The programme's rule decides whether the organisation is entitled; either decision is kept with its reason.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.PAY))
    problems: list[FieldProblem] = []
    organisation = get_organisations(organisation_ids=[organisation_id]).get(organisation_id)
    if organisation is None or organisation.state is not OrganisationState.ADMITTED:
        message = say("It must be an organisation that is admitted.")
        problems.append(FieldProblem(path="organisation_id", code="funding.not_admitted", message=message))
    if not 1 <= amount_uc <= AMOUNT_MAX_UC:
        message = say("It must be from {least} to {most}.", least=1, most=AMOUNT_MAX_UC)
        problems.append(FieldProblem(path="amount_uc", code="funding.out_of_range", message=message))
    if problems or organisation is None:
        raise VoucherRefused(fields=problems)
    with transaction.atomic():
        programme = lock_programme(programme_id=programme_id)
        rule = programme.rules.filter(valid_from__lte=now).latest("version")
        refused = _find_refusal(rule, organisation, amount_uc=amount_uc, now=now)
        if refused is None:
            voucher = Voucher(programme=programme, rule=rule, organisation_id=organisation_id, issued_uc=amount_uc)
            _fund(voucher, by=actor.person_id, now=now)
            return voucher.id
        _keep_decision(rule, organisation_id, amount_uc=amount_uc, refused=refused, by=actor.person_id, now=now)
    message = say("By version {version} of the rule: {why}", version=rule.version, why=explain(refused=refused))
    raise VoucherRefused(fields=[FieldProblem(path="organisation_id", code=refused.code.value, message=message)])


def grant_starters(*, organisation_id: str, now: datetime) -> int:
    """Give an admitted resident its starter voucher of every programme that grants one; return how many.

    A programme grants starters to whoever applied after it said so. Idempotent; where a fund is short, the next
    reconciliation tries again.
    """
    organisation = get_organisations(organisation_ids=[organisation_id])[organisation_id]
    if not is_newcomer(organisation=organisation):
        return 0
    given = 0
    for programme_id in Programme.objects.order_by("id").values_list("id", flat=True):
        with transaction.atomic():
            given += _grant_starter(lock_programme(programme_id=programme_id), organisation, now=now)
    return given


def return_expired(*, voucher_ids: Sequence[str], now: datetime) -> int:
    """Return to their programmes what is left of those vouchers that have expired; return the micro-credits moved.

    What quotes and orders hold stays until it is released; call again then. Idempotent.
    """
    moved_uc = 0
    expired = Voucher.objects.filter(id__in=voucher_ids, expires_at__lte=now)
    for voucher_id in expired.order_by("id").values_list("id", flat=True):
        with transaction.atomic():
            voucher = Voucher.objects.select_for_update(of=("self",)).select_related("programme").get(id=voucher_id)
            moved_uc += _return_rest(voucher, now=now)
    return moved_uc


def _grant_starter(programme: Programme, organisation: OrganisationView, *, now: datetime) -> bool:
    rule = find_rule_at(versions=list(programme.rules.order_by("version")), moment=organisation.created_at)
    starter_uc = rule.rule.starter_uc if rule else 0
    if rule is None or not starter_uc:
        return False
    if Voucher.objects.filter(programme=programme, organisation_id=organisation.id, starter=True).exists():
        return False
    available_uc = get_balances(account_ids=[programme.account_id])[programme.account_id].available_uc
    if _find_refusal(rule, organisation, amount_uc=starter_uc, now=now):
        return False
    if available_uc < starter_uc:
        log.warning("starter_waits_for_funds", programme=programme.id, organisation=organisation.id)
        return False
    voucher = Voucher(
        programme=programme, rule=rule, organisation_id=organisation.id, issued_uc=starter_uc, starter=True
    )
    _fund(voucher, by="", now=now)
    return True


def _find_refusal(
    rule: RuleVersion, organisation: OrganisationView, *, amount_uc: int, now: datetime
) -> Refused | None:
    """Return why a rule gives the organisation no voucher of this amount now, or None; the programme is locked."""
    zone = find_hub_zone()
    year = now.astimezone(zone).year
    member = get_member_facts(organisation_id=organisation.id, zone=zone)
    used = sum_year_uses(organisation_id=organisation.id, programme_ids=[rule.programme_id], year=year)
    pays = list_pays(rule=rule.rule, member=member, year_used_uc=used.get(rule.programme_id, 0), now=now, zone=zone)
    begin, end = (datetime(each, 1, 1, tzinfo=zone) for each in (year, year + 1))
    issued = Voucher.objects.filter(programme_id=rule.programme_id, issued_at__gte=begin, issued_at__lt=end)
    issued_uc = issued.aggregate(sum=Sum("issued_uc"))["sum"] or 0
    return find_refusal(pays=pays) or check_budget(
        rule=rule.rule, issued_uc=issued_uc, amount_uc=amount_uc, now=now, zone=zone
    )


def _keep_decision(
    rule: RuleVersion,
    organisation_id: str,
    *,
    amount_uc: int,
    voucher_id: str = "",
    refused: Refused | None = None,
    by: str,
    now: datetime,
) -> None:
    """Keep and record what was decided; whom it is about can read why."""
    decision = Decision.objects.create(
        id=new_id("dec"),
        rule=rule,
        organisation_id=organisation_id,
        amount_uc=amount_uc,
        voucher_id=voucher_id,
        code=refused.code.value if refused else "",
        reason=explain(refused=refused) if refused else "",
        thresholds=list_facts(refused=refused) if refused else [],
        decided_by=by,
        decided_at=now,
    )
    append(
        kind="funding.voucher_decision",
        subject_id=decision.id,
        payload={
            "amount_uc": amount_uc,
            "code": decision.code,
            "organisation_id": organisation_id,
            "programme_id": rule.programme_id,
            "rule_sha256": rule.sha256,
            "thresholds": decision.thresholds,
            "version": rule.version,
            "voucher_id": voucher_id,
        },
        organisation_id=organisation_id,
        now=now,
    )


def _fund(voucher: Voucher, *, by: str, now: datetime) -> None:
    """Open the voucher's account, move the money, store and record it; raises FundShort. by: the operator, or empty."""
    programme, rule = voucher.programme, voucher.rule
    voucher.id = new_id("vou")
    voucher.issued_at, voucher.expires_at = now, expiry_of(rule=rule.rule, issued_at=now)
    voucher.account_id = open_account(
        kind=AccountKind.VOUCHER,
        owner_id=voucher.organisation_id,
        purpose=voucher.id,
        restriction=rule.rule.earmark.value,
        now=now,
    )
    transfer = Transfer(
        id=f"{voucher.id}.issue",
        kind=TransferKind.POST,
        debit_account=programme.account_id,
        credit_account=voucher.account_id,
        amount_uc=voucher.issued_uc,
        code="issue_voucher",
        subject=voucher.id,
        effective_at=now,
    )
    (result,) = post_many(groups=[LinkGroup(id=transfer.id, transfers=(transfer,))], now=now)
    if result.refusal:
        asked = format_credits(voucher.issued_uc)
        detail = join_sentences(say("A voucher of {asked} credits was asked for.", asked=asked), result.refusal.detail)
        raise FundShort(detail=detail, facts=result.refusal.facts)
    voucher.save(force_insert=True)
    _keep_decision(rule, voucher.organisation_id, amount_uc=voucher.issued_uc, voucher_id=voucher.id, by=by, now=now)
    append(
        kind="funding.voucher_issued",
        subject_id=voucher.id,
        payload={
            "amount_uc": voucher.issued_uc,
            "organisation_id": voucher.organisation_id,
            "programme_id": programme.id,
            "rule_sha256": rule.sha256,
            "starter": voucher.starter,
            "voucher_id": voucher.id,
        },
        organisation_id=voucher.organisation_id,
        now=now,
    )
    post_notice(
        kind="funding.voucher_granted",
        subject_id=voucher.id,
        organisation_id=voucher.organisation_id,
        params={
            "amount_uc": voucher.issued_uc,
            "expires_at": format_moment(voucher.expires_at),
            "programme": programme.name,
        },
        now=now,
    )


def tell_expiring(*, now: datetime) -> int:
    """Tell organisations, once each, of vouchers that expire within a week with money left; return of how many."""
    soon = Voucher.objects.filter(closed_at=None, expires_at__gt=now, expires_at__lte=now + TELL_BEFORE)
    vouchers = {voucher.id: voucher for voucher in soon.select_related("programme").order_by("id")}
    for told in list_posted(kind="funding.voucher_expiring", subject_ids=list(vouchers)):
        del vouchers[told[0]]
    balances = get_balances(account_ids=[voucher.account_id for voucher in vouchers.values()])
    with transaction.atomic():
        for voucher in vouchers.values():
            left_uc = balances[voucher.account_id].available_uc
            if left_uc:
                post_notice(
                    kind="funding.voucher_expiring",
                    subject_id=voucher.id,
                    organisation_id=voucher.organisation_id,
                    params={
                        "amount_uc": left_uc,
                        "expires_at": format_moment(voucher.expires_at),
                        "programme": voucher.programme.name,
                    },
                    now=now,
                )
    return len(vouchers)


def _return_rest(voucher: Voucher, *, now: datetime) -> int:
    """Post what is available back to the programme and close the voucher when nothing is held any more."""
    balance = get_balances(account_ids=[voucher.account_id])[voucher.account_id]
    if balance.available_uc:
        transfer = Transfer(
            id=new_id("tra"),
            kind=TransferKind.POST,
            debit_account=voucher.account_id,
            credit_account=voucher.programme.account_id,
            amount_uc=balance.available_uc,
            code="voucher_expired",
            subject=voucher.id,
            effective_at=now,
        )
        require_posted(results=post_many(groups=[LinkGroup(id=transfer.id, transfers=(transfer,))], now=now))
    if voucher.closed_at is None and not balance.pending_out_uc:
        voucher.closed_at = now
        voucher.save(update_fields=["closed_at"])
    return balance.available_uc
