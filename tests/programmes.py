"""Programmes and vouchers for tests, made through the same doors as in a hub."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta

from django.db import transaction

from lilong.common.permissions import Actor
from lilong.foundation.cases.public import Decision, decide_case
from lilong.platforms.funding.core.packs import RuleCase, RulePack, run_cases
from lilong.platforms.funding.core.rules import ClawBack, ClawBackReason
from lilong.platforms.funding.models import FundRequest, Programme, RuleProposal
from lilong.platforms.funding.public import VoucherRule, create_programme, fund_programme, issue_voucher, propose_rule
from lilong.platforms.funding.public.orders import reserve_uses, settle_uses
from lilong.platforms.funding.reactions import reconcile
from tests.people import NOW, found_operator

CREDIT = 1_000_000
RULE = VoucherRule(rate_ppm=300_000, cap_uc=8 * CREDIT, expires_in_days=30)
ASKING = replace(RULE, claw_back=ClawBack(within_months=12, reasons=tuple(ClawBackReason)))
"""A rule that asks money back."""


def make_programme(
    *,
    fund_uc: int = 0,
    rule: VoucherRule = RULE,
    name: str = "Compute",
    operator: Actor | None = None,
    now: datetime = NOW,
) -> Programme:
    """Create a programme and let two operators pay into its fund."""
    actor = operator or found_operator(now=now)
    programme_id = create_programme(actor=actor, name=name, rule=rule, now=now)
    if fund_uc:
        case_id = fund_programme(
            actor=actor, programme_id=programme_id, amount_uc=fund_uc, reference="payment 1", now=now
        )
        approve(case_id, now=now)
        reconcile(now=now)
        assert FundRequest.objects.get(case_id=case_id).posted
    return Programme.objects.get(id=programme_id)


def approve(case_id: str, *, approvals: int = 2, now: datetime = NOW) -> None:
    """Let that many operators approve."""
    for _ in range(approvals):
        decide_case(actor=found_operator(now=now), case_id=case_id, decision=Decision.APPROVE, reason="seen", now=now)


def refuse(case_id: str, *, now: datetime = NOW) -> None:
    """Let one operator refuse."""
    decide_case(actor=found_operator(now=now), case_id=case_id, decision=Decision.REFUSE, reason="no", now=now)


def give_voucher(
    organisation_id: str, *, amount_uc: int, rule: VoucherRule = RULE, name: str = "Compute", now: datetime = NOW
) -> str:
    """Issue a voucher from a new programme that has just this much."""
    operator = found_operator(now=now)
    programme = make_programme(fund_uc=amount_uc, rule=rule, name=name, operator=operator, now=now)
    return issue_voucher(
        actor=operator, programme_id=programme.id, organisation_id=organisation_id, amount_uc=amount_uc, now=now
    )


def write_pack(rule: VoucherRule, *, version: int | None, cases: Sequence[RuleCase] | None = None) -> str:
    """Return the TOML file of a version; without cases, with one that wants what the rule pays anybody."""
    if cases is None:
        case = RuleCase("anybody", at=NOW, since=NOW.date(), available_uc=CREDIT)
        (result,) = run_cases(pack=RulePack(rule, version, (case,)))
        cases = [replace(case, **asdict(result.paid))]
    number = {} if version is None else {"version": version}
    listed = [{name: said for name, said in asdict(case).items() if said not in (None, ())} for case in cases]
    document = number | rule.document | {"cases": listed}
    return "".join(f"{name} = {_write_toml(said)}\n" for name, said in document.items())


def publish(programme: Programme, rule: VoucherRule, *, version: int = 2, now: datetime = NOW) -> None:
    """Hand in a version that is in force from now on, and let another operator approve it."""
    case_id = propose_rule(
        actor=found_operator(now=now),
        programme_id=programme.id,
        pack=write_pack(rule, version=version),
        valid_from=now,
        now=now,
    )
    approve(case_id, approvals=1, now=now)
    reconcile(now=now)


def hand_in_version(programme: Programme, *, now: datetime = NOW) -> str:
    """Hand in a second version that waits for its approval, and return its id."""
    pack, later = write_pack(RULE, version=2), now + timedelta(days=1)
    operator = found_operator(now=now)
    case_id = propose_rule(actor=operator, programme_id=programme.id, pack=pack, valid_from=later, now=now)
    return RuleProposal.objects.get(case_id=case_id).id


def _write_toml(said: object) -> str:
    if isinstance(said, dict):
        return "{ " + ", ".join(f"{name} = {_write_toml(each)}" for name, each in said.items()) + " }"
    if isinstance(said, list | tuple):
        return f"[{', '.join(map(_write_toml, said))}]"
    return said.isoformat() if isinstance(said, date) else json.dumps(said)


def give_used_voucher(organisation_id: str, *, order_ids: Sequence[str], name: str, now: datetime = NOW) -> str:
    """Issue a voucher that may be asked back, and count a credit as paid by it for each of these orders."""
    voucher_id = give_voucher(organisation_id, amount_uc=9 * CREDIT, rule=ASKING, name=name, now=now)
    for order_id in order_ids:
        with transaction.atomic():
            reserve_uses(order_id=order_id, parts_uc={voucher_id: CREDIT})
            settle_uses(order_id=order_id, parts_uc={voucher_id: CREDIT}, now=now)
    return voucher_id
