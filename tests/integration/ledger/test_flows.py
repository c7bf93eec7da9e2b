from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed
from lilong.common.time import list_days, list_weeks
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.public import AccountKind, post_many, require_posted
from lilong.foundation.ledger.queries.flows import sum_flows
from lilong.foundation.ledger.queries.settled import DAYS, KEPT_S, REFRESHED_AFTER, read_settled_days
from lilong.foundation.ledger.reactions import reconcile
from tests.actors import make_operator, make_person
from tests.books import NOW, build, link, open_funded, pend, settle

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def move(debit, credit, amount_uc, *, code="spend", at=NOW):
    transfer = build(TransferKind.POST, debit, credit, amount_uc, transfer_id="", code=code, effective_at=at)
    require_posted(results=post_many(groups=[link(transfer)], now=max(at, NOW)))


@pytest.fixture
def accounts():
    """Return a wallet with money, an escrow, a provider's earnings and the fees of the hub."""
    return (
        open_funded(amount_uc=1_000),
        open_funded(kind=AccountKind.ORDER_ESCROW),
        open_funded(kind=AccountKind.PROVIDER_ACCRUING),
        open_funded(kind=AccountKind.HUB_FEE),
    )


def test_flows_are_summed_between_edges_each_beginning_in_its_own(accounts):
    wallet, escrow, *_ = accounts
    edges = list_days(now=NOW, count=3)
    for begin, amount_uc in zip(edges, (1, 10, 100), strict=False):
        move(wallet, escrow, amount_uc, at=begin)
    move(wallet, escrow, 500, at=edges[0] - timedelta(microseconds=1))
    move(escrow, wallet, 4)
    flows = sum_flows(account_ids=[wallet, escrow], codes={"spend"}, edges=edges)

    assert flows[wallet].out_uc == flows[escrow].in_uc == (1, 10, 100)
    assert flows[wallet].in_uc == flows[escrow].out_uc == (0, 0, 4)
    assert flows[escrow].net_uc == (1, 10, 96)


def test_only_what_is_asked_for_counts_and_holds_move_nothing(accounts):
    wallet, escrow, earnings, _ = accounts
    hold = pend(wallet, escrow, 90)
    require_posted(results=post_many(groups=[link(hold), link(settle(hold, 30))], now=NOW))
    move(escrow, earnings, 30, code="other")
    edges = list_weeks(now=NOW, count=2)
    flows = sum_flows(account_ids=[wallet, earnings], codes={"settle"}, edges=edges)

    assert flows[wallet].out_uc == (0, 30)
    assert flows[earnings].in_uc == (0, 0)


def test_flows_take_one_query_and_none_without_accounts(accounts, django_assert_num_queries):
    edges = list_weeks(now=NOW, count=13)
    with django_assert_num_queries(1):
        sum_flows(account_ids=accounts, codes={"pay"}, edges=edges)
    with django_assert_num_queries(0):
        assert sum_flows(account_ids=[], codes={"pay"}, edges=edges) == {}


def test_settled_days_say_what_providers_and_the_hub_got_after_corrections(accounts):
    _, escrow, earnings, fees = open_and_fill(accounts)
    move(escrow, earnings, 80, code="pay", at=NOW - DAY)
    move(escrow, fees, 5, code="fee", at=NOW - DAY)
    move(earnings, escrow, 10, code="correction")
    settled = read_settled_days(actor=make_operator(), now=NOW)

    assert (len(settled.edges), settled.at) == (DAYS + 1, NOW)
    assert list(settled.earned_uc[-3:]) == [0, 80, -10]
    assert list(settled.fees_uc[-3:]) == [0, 5, 0]


def open_and_fill(accounts):
    move(accounts[0], accounts[1], 400, code="settle", at=NOW - 2 * DAY)
    return accounts


def test_the_worker_keeps_days_that_are_over_and_adds_up_today_and_yesterday_again(accounts):
    _, escrow, earnings, _ = open_and_fill(accounts)
    reconcile(NOW)
    for days in (0, 1, 2):
        move(escrow, earnings, 10**days, code="pay", at=NOW - days * DAY)
    reconcile(NOW + REFRESHED_AFTER - timedelta(seconds=1))
    assert sum(read_settled_days(actor=make_operator(), now=NOW).earned_uc) == 0
    reconcile(NOW + REFRESHED_AFTER)
    settled = read_settled_days(actor=make_operator(), now=NOW)

    assert settled.at == NOW + REFRESHED_AFTER
    assert list(settled.earned_uc[-3:]) == [0, 10, 1]


def test_days_that_nobody_added_up_are_added_up_when_the_worker_is_back(accounts):
    _, escrow, earnings, _ = open_and_fill(accounts)
    reconcile(NOW)
    later = NOW + 5 * DAY
    move(escrow, earnings, 7, code="pay", at=NOW + DAY)
    reconcile(later)
    settled = read_settled_days(actor=make_operator(), now=later)

    assert list(settled.earned_uc[-5:]) == [7, 0, 0, 0, 0]
    assert timedelta(seconds=KEPT_S) > REFRESHED_AFTER


def test_a_quiet_refresh_costs_two_queries_and_what_is_kept_is_read_by_one(accounts, django_assert_max_num_queries):
    reconcile(NOW)
    with django_assert_max_num_queries(2):
        read_settled_days(actor=make_operator(), now=NOW)


def test_settled_days_are_for_operators_alone():
    with pytest.raises(NotAllowed):
        read_settled_days(actor=make_person(), now=NOW)
