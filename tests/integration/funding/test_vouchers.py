from dataclasses import replace
from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed
from lilong.foundation.ledger.public import AccountKind, get_balances, open_account, post_many, require_posted
from lilong.foundation.members.public import OrganisationKind, OrganisationState, admit_organisation
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.models import Voucher
from lilong.platforms.funding.public import issue_voucher, list_vouchers, return_expired
from lilong.platforms.funding.public.orders import list_usable
from lilong.platforms.funding.reactions import on_organisation_admitted, reconcile
from lilong.platforms.funding.services.vouchers import FundShort, VoucherRefused
from tests.books import available_uc, link, pend, post, void
from tests.people import NOW, act, found_operator, found_organisation, found_owner
from tests.programmes import CREDIT, RULE, give_voucher, make_programme, publish

pytestmark = pytest.mark.django_db(transaction=True)

STARTER = replace(RULE, starter_uc=2 * CREDIT)
AFTER_EXPIRY = NOW + timedelta(days=30)


def issue(programme, organisation_id, *, amount_uc=CREDIT):
    return issue_voucher(
        actor=found_operator(), programme_id=programme.id, organisation_id=organisation_id, amount_uc=amount_uc, now=NOW
    )


def hold_in_escrow(voucher, amount_uc):
    escrow = open_account(
        kind=AccountKind.ORDER_ESCROW, owner_id=voucher.organisation_id, purpose="ord_1", restriction="compute", now=NOW
    )
    held = pend(voucher.account_id, escrow, amount_uc)
    require_posted(results=post_many(groups=[link(held)], now=NOW))
    return held


def test_a_voucher_takes_its_money_out_of_the_fund():
    owner = found_owner()
    programme = make_programme(fund_uc=5 * CREDIT)
    voucher = Voucher.objects.get(id=issue(programme, owner.organisation_id, amount_uc=3 * CREDIT))

    assert available_uc(programme.account_id) == 2 * CREDIT
    assert available_uc(voucher.account_id) == 3 * CREDIT
    assert voucher.expires_at == AFTER_EXPIRY
    assert Entry.objects.filter(kind="funding.voucher_issued", subject_id=voucher.id).exists()


def test_a_fund_that_is_short_issues_nothing_and_says_what_is_missing():
    programme = make_programme(fund_uc=CREDIT)
    with pytest.raises(FundShort) as raised:
        issue(programme, found_owner().organisation_id, amount_uc=CREDIT + 1)

    assert raised.value.facts["missing_uc"] == 1
    assert not Voucher.objects.exists()
    assert available_uc(programme.account_id) == CREDIT


@pytest.mark.parametrize("state", [OrganisationState.APPLIED, OrganisationState.SUSPENDED])
def test_only_an_admitted_organisation_gets_a_voucher(state):
    programme = make_programme(fund_uc=CREDIT)
    with pytest.raises(VoucherRefused):
        issue(programme, found_organisation(state=state).organisation_id)


def test_only_the_hub_issues_vouchers():
    programme, owner = make_programme(fund_uc=CREDIT), found_owner()
    with pytest.raises(NotAllowed):
        issue_voucher(
            actor=owner, programme_id=programme.id, organisation_id=owner.organisation_id, amount_uc=1, now=NOW
        )


def test_a_voucher_keeps_the_rule_that_it_was_issued_under():
    owner, operator = found_owner(), found_operator()
    programme = make_programme(fund_uc=CREDIT, operator=operator)
    issue(programme, owner.organisation_id)
    publish(programme, replace(RULE, rate_ppm=1))

    (chosen,) = list_usable(organisation_id=owner.organisation_id, offers=(), now=NOW).usable
    assert (chosen.share.rate_ppm, chosen.voucher.rule_version) == (RULE.rate_ppm, 1)


def test_vouchers_of_others_are_not_seen():
    owner, other = found_owner(), found_owner()
    give_voucher(owner.organisation_id, amount_uc=CREDIT)

    assert len(list_vouchers(actor=owner, cursor=None, limit=10).items) == 1
    assert list_vouchers(actor=other, cursor=None, limit=10).items == []
    assert list_usable(organisation_id=other.organisation_id, offers=(), now=NOW).usable == ()


def test_an_expired_voucher_returns_what_is_left_to_its_programme():
    owner = found_owner()
    voucher = Voucher.objects.get(id=give_voucher(owner.organisation_id, amount_uc=CREDIT))
    reconcile(now=AFTER_EXPIRY - timedelta(microseconds=1))
    assert available_uc(voucher.account_id) == CREDIT

    for _ in range(2):
        reconcile(now=AFTER_EXPIRY)
    voucher.refresh_from_db()
    assert available_uc(voucher.account_id) == 0
    assert available_uc(voucher.programme.account_id) == CREDIT
    assert voucher.closed_at == AFTER_EXPIRY


def test_what_is_held_when_a_voucher_expires_returns_when_it_is_released():
    owner = found_owner()
    voucher = Voucher.objects.get(id=give_voucher(owner.organisation_id, amount_uc=CREDIT))
    held = hold_in_escrow(voucher, 400_000)

    assert return_expired(voucher_ids=[voucher.id], now=AFTER_EXPIRY) == 600_000
    assert Voucher.objects.get().closed_at is None

    require_posted(results=post_many(groups=[link(void(held))], now=NOW))
    reconcile(now=AFTER_EXPIRY)
    assert available_uc(voucher.programme.account_id) == CREDIT
    assert Voucher.objects.get().closed_at == AFTER_EXPIRY


def test_a_reserved_voucher_says_that_it_is_reserved():
    owner = found_owner()
    voucher = Voucher.objects.get(id=give_voucher(owner.organisation_id, amount_uc=CREDIT))
    hold_in_escrow(voucher, CREDIT)

    choice = list_usable(organisation_id=owner.organisation_id, offers=(), now=NOW)
    assert choice.usable == ()
    assert [problem.code for _, problem in choice.refused] == ["voucher.reserved"]


def test_a_newly_admitted_resident_gets_one_starter_however_often_it_is_told():
    programme = make_programme(fund_uc=5 * CREDIT, rule=STARTER)
    applied = found_organisation(state=OrganisationState.APPLIED)
    reconcile(now=NOW)
    assert not Voucher.objects.exists()

    admit_organisation(organisation_id=applied.organisation_id, now=NOW)
    for _ in range(2):
        on_organisation_admitted({"organisation_id": applied.organisation_id}, now=NOW)
        reconcile(now=NOW)
    voucher = Voucher.objects.get()
    assert (voucher.organisation_id, voucher.issued_uc) == (applied.organisation_id, 2 * CREDIT)
    assert available_uc(programme.account_id) == 3 * CREDIT


def test_the_starter_comes_by_reconciliation_alone():
    make_programme(fund_uc=5 * CREDIT, rule=STARTER)
    owner = found_owner()
    reconcile(now=NOW)

    (chosen,) = list_usable(organisation_id=owner.organisation_id, offers=(), now=NOW).usable
    assert chosen.voucher.purse.available_uc == 2 * CREDIT


def test_a_starter_waits_for_money_in_the_fund():
    programme = make_programme(fund_uc=2 * CREDIT - 1, rule=STARTER)
    owner = found_owner()
    on_organisation_admitted({"organisation_id": owner.organisation_id}, now=NOW)
    reconcile(now=NOW)
    assert not Voucher.objects.exists()

    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="hub", purpose="", now=NOW)
    require_posted(results=post_many(groups=[link(post(outside, programme.account_id, 1))], now=NOW))
    reconcile(now=NOW)
    assert Voucher.objects.get().organisation_id == owner.organisation_id


def test_starters_are_for_residents_who_applied_after_the_programme_granted_them():
    before = found_organisation(now=NOW - timedelta(seconds=1))
    make_programme(fund_uc=50 * CREDIT, rule=STARTER)
    provider = found_organisation(kind=OrganisationKind.PROVIDER)
    resident = act(found_organisation().token.secret)
    for organisation_id in (before.organisation_id, provider.organisation_id, resident.organisation_id):
        on_organisation_admitted({"organisation_id": organisation_id}, now=NOW)
    reconcile(now=NOW)

    assert [voucher.organisation_id for voucher in Voucher.objects.all()] == [resident.organisation_id]


def test_the_money_of_a_programme_is_always_somewhere():
    owner = found_owner()
    programme = make_programme(fund_uc=5 * CREDIT)
    vouchers = [issue(programme, owner.organisation_id, amount_uc=amount) for amount in (CREDIT, 2 * CREDIT)]
    reconcile(now=AFTER_EXPIRY)

    accounts = [programme.account_id, *Voucher.objects.filter(id__in=vouchers).values_list("account_id", flat=True)]
    assert sum(balance.posted_uc for balance in get_balances(account_ids=accounts).values()) == 5 * CREDIT
    assert available_uc(programme.account_id) == 5 * CREDIT
