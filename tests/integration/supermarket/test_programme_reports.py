"""Reports of programmes as of a moment: by hand on real orders, and random books on which nothing later changes one."""

import csv
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Actor
from lilong.foundation.ledger.public import AccountKind, get_balances, open_account, post_many
from lilong.foundation.ledger.public.past import AsOf, sum_kinds_as_of
from lilong.foundation.ledger.queries.accounts import sum_kinds
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.platforms.funding.core.rules import Origin, Rate
from lilong.platforms.funding.models import Programme, Voucher
from lilong.platforms.funding.public import issue_voucher, return_expired
from lilong.platforms.funding.public.orders import RESERVE
from lilong.platforms.funding.public.reports import Flows, Refused
from lilong.platforms.funding.queries.reports import MomentAhead
from lilong.platforms.funding.services.vouchers import VoucherRefused
from lilong.platforms.supermarket.queries.programme_reports import build_report, get_report
from lilong.platforms.supermarket.reactions import reconcile
from tests.books import link, pend, post, settle, void
from tests.desks import browse_as
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.people import NOW, found_operator, found_owner
from tests.pools import at, make_spec
from tests.programmes import RULE, give_voucher, make_programme, publish

pytestmark = pytest.mark.django_db(transaction=True)
DAY_S = 86_400
PAGE = "/desk/programmes/reports"
FEW_UC = st.integers(0, 12)


def report(programme_id, *, seconds, **options):
    moment = at(seconds)
    return build_report(programme_id=programme_id, as_of=AsOf.seen_at(moment), now=moment, **options)


def test_a_report_has_every_figure_of_an_order_as_it_goes_along(django_assert_max_num_queries):
    seller, buyer = open_stall(), found_buyer()
    voucher = Voucher.objects.get(id=give_voucher(buyer.organisation_id, amount_uc=20 * CREDIT))
    programme_id = voucher.programme_id
    order = buy(buyer, spec=make_spec(walltime_s=20_000), seconds=10)
    reserved = ask(buyer, seconds=20)
    held_uc = get_balances(account_ids=[voucher.account_id])[voucher.account_id].pending_out_uc
    finish(seller.agent, ms=4_000_000, seconds=30)
    reconcile(now=at(5_000))
    order.refresh_from_db()
    before, running, after = (report(programme_id, seconds=each) for each in (5, 25, 6_000))

    assert before.total.flows == Flows(granted_uc=20 * CREDIT, issued_uc=20 * CREDIT)
    assert running.total.flows.reserved_uc == reserved.promise.voucher_max_uc > 0
    assert running.total.flows.reserved_uc + running.total.flows.held_uc == held_uc
    assert (after.total.flows.spent_uc, after.total.flows.held_uc) == (300_000, 0)
    assert order.due_uc == CREDIT
    assert after.total.flows.vouchers_uc == 20 * CREDIT - 300_000
    assert (after.total.vouchers, after.total.members) == (1, 1)
    assert after.organisations[buyer.organisation_id] == after.versions[1]
    assert after.months[NOW.date().replace(day=1)].spent_uc == 300_000
    with django_assert_max_num_queries(6):
        report(programme_id, seconds=6_000)
    expired = at(40 * DAY_S)
    return_expired(voucher_ids=[voucher.id], now=expired)
    ended = report(programme_id, seconds=40 * DAY_S)
    assert (ended.total.flows.expired_uc, ended.total.flows.fund_uc) == (20 * CREDIT - 300_000,) * 2
    assert ended.months[expired.date().replace(day=1)].expired_uc == 20 * CREDIT - 300_000
    assert [each.content for each in (before, running, after)] == [
        report(programme_id, seconds=each).content for each in (5, 25, 6_000)
    ]


def test_refusals_are_told_by_clause_and_version_with_those_of_related_parties():
    seller, buyer = open_stall(), found_buyer()
    operator = found_operator()
    rule_ = replace(RULE, jurisdiction="CN", rates=(Rate(rate_ppm=500_000, provider=Origin.HOME),))
    programme = make_programme(fund_uc=20 * CREDIT, rule=rule_, operator=operator)
    give = partial(issue_voucher, actor=operator, programme_id=programme.id, organisation_id=buyer.organisation_id)
    give(amount_uc=5 * CREDIT, now=at(0))
    publish(programme, replace(rule_, year_budget_uc=6 * CREDIT), now=at(1))
    with pytest.raises(VoucherRefused):
        give(amount_uc=5 * CREDIT, now=at(2))
    owners = [DeclaredOwner(share_ppm=900_000, organisation_id=seller.owner.organisation_id)]
    declare_ownership(actor=buyer, owners=owners, starts_on=NOW.date(), now=at(3))
    ask(buyer, seconds=10)
    found = report(programme.id, seconds=20)

    assert {key: (each.applications, each.quotes) for key, each in found.refused.items()} == {
        (2, "voucher.year_budget_reached"): (1, 0),
        (1, "voucher.related_party"): (0, 1),
    }
    assert (found.related.applications, found.related.quotes) == (0, 1)
    assert not report(programme.id, seconds=1).refused
    assert [each.number for each in found.published] == [1, 2]


def test_a_report_is_for_operators_of_a_moment_that_is_over_and_of_a_programme_that_was_there():
    programme = make_programme()
    ask_late = partial(get_report, as_of=AsOf.seen_at(at(10)), now=at(10))
    with pytest.raises(NotAllowed):
        ask_late(actor=found_owner(), programme_id=programme.id)
    with pytest.raises(MomentAhead):
        build_report(programme_id=programme.id, as_of=AsOf.seen_at(at(11)), now=at(10))
    with pytest.raises(NotFound):
        ask_late(actor=found_operator(), programme_id="prg_none")
    with pytest.raises(NotFound):
        get_report(actor=found_operator(), programme_id=programme.id, as_of=AsOf.seen_at(at(-1)), now=at(10))


def test_the_page_shows_it_in_both_languages_and_hands_it_over_as_csv(django_assert_max_num_queries):
    buyer, operator = found_buyer(), found_operator()
    browser = browse_as(operator)
    assert "There are no programmes yet." in browser.get(PAGE).content.decode()
    voucher_id = give_voucher(buyer.organisation_id, amount_uc=20 * CREDIT)
    programme_id = Voucher.objects.get(id=voucher_id).programme_id
    with django_assert_max_num_queries(12):
        said = browser.get(PAGE).content.decode()
    assert "Granted to the programme" in said
    assert "Nothing was refused." in said
    browser.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    chinese = browser.get(f"{PAGE}?programme={programme_id}&at=2026-03-02T00:00")
    assert "拨给计划" in chinese.content.decode()
    assert browser.get(f"{PAGE}?at=2999-01-01T00:00").status_code == 422
    assert browser.get(f"{PAGE}?programme=prg_none").status_code == 422

    answer = browser.get(f"/desk/programmes/{programme_id}.csv?at=2026-03-02T00:00:00Z")
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert {row["part"] for row in rows} == {"total", "version", "organisation", "month"}
    assert rows[0]["issued_uc"] == rows[0]["vouchers_uc"] == str(20 * CREDIT)


def test_the_csv_has_a_line_for_every_refusal_and_the_json_the_same_figures():
    programme = make_programme(fund_uc=1, name="=1+1")
    found = report(programme.id, seconds=0)
    refused = replace(found, refused={(1, "voucher.expired"): Refused(2, 1)})
    rows = list(csv.DictReader(b"".join(refused.list_rows()).decode().splitlines()))

    assert rows[0]["name"] == "'=1+1"
    assert (rows[-1]["name"], rows[-1]["applications"], rows[-1]["quotes"]) == ("1 voucher.expired", "2", "1")
    assert json.loads(found.content)["total"]["granted_uc"] == int(rows[0]["granted_uc"]) == 1


OF_FUNDS = ("granted_uc", "withdrawn_uc", "recovered_uc", "returned_uc")


class Programmes(RuleBasedStateMachine):
    """Two programmes on which anything happens, also counted for earlier; reports that were seen stay."""

    vouchers: Bundle[str] = Bundle("vouchers")
    holds: Bundle[object] = Bundle("holds")

    @initialize()
    def begin(self):
        self.savepoint = transaction.savepoint()
        self.seconds, self.seen = 0.0, []
        self.operator: Actor = found_operator()
        self.owner = found_owner()
        self.wallet = wallet_of(self.owner)
        pay_in(self.wallet, 20)
        self.programmes = [
            make_programme(fund_uc=40, name=name, operator=self.operator, rule=replace(RULE, expires_in_days=1))
            for name in ("A", "B")
        ]
        self.escrow = open_account(
            kind=AccountKind.ORDER_ESCROW, owner_id="ord_1", purpose="", restriction=RULE.earmark, now=NOW
        )

    def tick(self, seconds=1.0):
        self.seconds += seconds
        return at(self.seconds)

    @rule(target=vouchers, number=st.integers(0, 1), amount_uc=st.integers(1, 15))
    def issue(self, number, amount_uc):
        programme: Programme = self.programmes[number]
        now = self.tick()
        left_uc = get_balances(account_ids=[programme.account_id])[programme.account_id].available_uc
        voucher_id = (
            issue_voucher(
                actor=self.operator,
                programme_id=programme.id,
                organisation_id=self.owner.organisation_id,
                amount_uc=amount_uc,
                now=now,
            )
            if amount_uc <= left_uc
            else None
        )
        return Voucher.objects.get(id=voucher_id).account_id if voucher_id else self.escrow

    @rule(target=holds, account=vouchers, amount_uc=FEW_UC, code=st.sampled_from([RESERVE, "hold"]))
    def hold(self, account, amount_uc, code):
        held = replace(pend(account, self.escrow, amount_uc), code=code) if account != self.escrow else None
        return held if held and self.post(held) else None

    @rule(hold=holds, amount_uc=FEW_UC)
    def settle(self, hold, amount_uc):
        if hold:
            self.post(settle(hold, amount_uc))

    @rule(hold=holds)
    def release(self, hold):
        if hold:
            self.post(void(hold))

    @rule(account=vouchers, amount_uc=FEW_UC, gives=st.booleans(), late_s=st.integers(0, 3))
    def correct(self, account, amount_uc, gives, late_s):
        if account != self.escrow:
            payer, receiver = (self.escrow, account) if gives else (account, self.escrow)
            self.post(post(payer, receiver, amount_uc, code="correction"), late_s=late_s)

    @rule(number=st.integers(0, 1), amount_uc=FEW_UC, late_s=st.integers(0, 3))
    def fund(self, number, amount_uc, late_s):
        outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=NOW)
        self.post(post(outside, self.programmes[number].account_id, amount_uc, code="top_up"), late_s=late_s)

    @rule(number=st.integers(0, 1), amount_uc=FEW_UC, returns=st.booleans(), late_s=st.integers(0, 3))
    def ask_back(self, number, amount_uc, returns, late_s):
        fund = self.programmes[number].account_id
        payer, receiver = (fund, self.wallet) if returns else (self.wallet, fund)
        self.post(post(payer, receiver, amount_uc, code="claw_back"), late_s=late_s)

    @rule()
    def expire(self):
        now = self.tick(DAY_S)
        return_expired(voucher_ids=list(Voucher.objects.values_list("id", flat=True)), now=now)

    def post(self, transfer, *, late_s=0):
        """Enter a transfer now that counts for a moment before."""
        now = self.tick()
        counted = replace(transfer, effective_at=now - timedelta(seconds=late_s))
        (result,) = post_many(groups=[link(counted)], now=now)
        return result.posted

    @invariant()
    def reports_agree_with_the_books_of_the_same_moment(self):
        if not hasattr(self, "programmes"):
            return
        moment = at(self.seconds)
        lines = {line.kind: line for line in sum_kinds_as_of(as_of=AsOf.seen_at(moment))}
        assert list(lines.values()) == sum_kinds()
        reports = [report(programme.id, seconds=self.seconds) for programme in self.programmes]
        total = sum((each.total.flows for each in reports), Flows())
        assert total.fund_uc == lines[AccountKind.PROGRAMME_FUND].balance.posted_uc
        if AccountKind.VOUCHER in lines:
            vouchers = lines[AccountKind.VOUCHER].balance
            assert (total.vouchers_uc, total.pending_uc) == (vouchers.posted_uc, vouchers.pending_out_uc)
        for each in reports:
            for parts in (each.versions, each.organisations):
                flows = sum((line.flows for line in parts.values()), Flows())
                beside = {name: getattr(each.total.flows, name) for name in OF_FUNDS}
                assert flows + Flows(**beside) == each.total.flows
            held = Flows(reserved_uc=each.total.flows.reserved_uc, held_uc=each.total.flows.held_uc)
            assert sum(each.months.values(), held) == each.total.flows
            self.seen.append((each.programme_id, self.seconds, each.content))

    def teardown(self):
        if hasattr(self, "programmes"):
            for programme_id, seconds, content in self.seen:
                assert report(programme_id, seconds=seconds).content == content
            transaction.savepoint_rollback(self.savepoint)


@pytest.mark.django_db(transaction=False)
def test_no_later_event_changes_a_report_and_its_sums_are_those_of_the_trial_balance():
    run_state_machine_as_test(Programmes, settings=settings(max_examples=15, stateful_step_count=12, deadline=None))
