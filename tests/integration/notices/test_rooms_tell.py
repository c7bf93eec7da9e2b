"""What people wait for in each room reaches them, found from table state alone."""

from datetime import timedelta
from pathlib import Path

import pytest

from lilong.common.time import format_moment
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.models import PayOut
from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.foundation.ledger.reactions import reconcile as reconcile_ledger
from lilong.foundation.ledger.services.payments import request_pay_out
from lilong.foundation.notices.models import Letter, Notice
from lilong.foundation.notices.queries.inbox import Shown, list_letters
from lilong.foundation.notices.reactions import reconcile as tell
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.reactions import tell as tell_runs
from lilong.platforms.funding.reactions import tell as tell_funding
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.platforms.supermarket.services.orders import cancel_order
from lilong.protocol.messages import AttemptState, Reason
from lilong.web.config import load_settings
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in
from tests.people import NOW, found_operator, found_owner
from tests.pools import at, open_pool, submit
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    settings.LILONG = load_settings().model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder


def told(actor):
    tell(now=NOW)
    return sorted(letter.kind for letter in list_letters(actor=actor, shown=Shown.ALL, cursor=None, limit=50).items)


def posted(kind):
    return [(notice.subject_id, notice.params) for notice in Notice.objects.filter(kind=kind).order_by("id")]


def test_who_ordered_is_told_of_the_end_of_the_run_and_of_the_settlement():
    seller, buyer = open_stall(), found_buyer()
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    reconcile(now=at(101))

    assert told(buyer) == ["runs.run_succeeded", "supermarket.order_settled"]
    assert told(seller.owner) == []
    texts = [letter.text for letter in list_letters(actor=buyer, shown=Shown.ALL, cursor=None, limit=50).items]
    assert any("0.015 credits" in text for text in texts)


def test_a_dispute_is_told_when_it_is_opened_and_when_it_is_decided():
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    open_dispute(actor=buyer, order_id=order.id, claim_uc=5, reason="slow", now=at(110))
    case = Case.objects.get(kind="supermarket.dispute")
    decide_case(actor=found_operator(), case_id=case.id, decision=Decision.REFUSE, reason="no", now=at(120))
    reconcile(now=at(130))

    assert {"supermarket.order_disputed", "supermarket.dispute_closed"} <= set(told(buyer))


def test_an_order_that_the_hub_cancels_is_told_and_one_that_the_member_cancels_is_not():
    open_stall()
    buyer = found_buyer()
    by_hub, by_member = buy(buyer), buy(buyer)
    cancel_order(actor=found_operator(), order_id=by_hub.id, now=at(5))
    cancel_order(actor=buyer, order_id=by_member.id, now=at(5))

    assert [subject for subject, _ in posted("supermarket.order_cancelled")] == [by_hub.id]


def test_a_run_that_fails_is_told_with_its_reason():
    agent = open_pool()
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    agent.sync(agent.see(taken, AttemptState.RUNNING, seconds=2, ms=1_000), seconds=2)
    ended = agent.see(taken, AttemptState.FAILED, seconds=3, ms=1_500, reason=Reason.EXIT_NONZERO)
    agent.sync(ended, seconds=3)

    ((subject, params),) = posted("runs.run_failed")
    assert (subject, params["reason"]) == (run_id, "exit_nonzero")


def test_a_run_that_waits_for_an_hour_is_told_once():
    run_id = submit(open_pool())
    tell_runs(now=at(POLICY.tell_waiting_after_s - 1))
    assert posted("runs.run_waits") == []
    for seconds in (0, 60, 120):
        tell_runs(now=at(POLICY.tell_waiting_after_s + seconds))

    assert [subject for subject, _ in posted("runs.run_waits")] == [run_id]


def test_a_pool_that_is_not_seen_is_told_once_for_each_silence():
    agent = open_pool(seconds=0)
    for seconds in (599, 600, 700, 5000):
        tell_runs(now=at(seconds))
    assert posted("runs.pool_silent") == [(agent.pool_id, {"name": "embedded", "last_seen_at": format_moment(at(0))})]
    agent.sync(seconds=6000)
    for seconds in (6001, 6600, 6700):
        tell_runs(now=at(seconds))

    assert len(posted("runs.pool_silent")) == 2


def test_a_voucher_is_told_when_it_is_granted_and_once_before_it_expires():
    owner = found_owner()
    give_voucher(owner.organisation_id, amount_uc=2 * CREDIT)
    for days in (22, 23.5, 25, 29):
        tell_funding(now=NOW + days * DAY)

    assert told(owner) == ["funding.voucher_expiring", "funding.voucher_granted"]
    ((_, params),) = posted("funding.voucher_expiring")
    assert params["amount_uc"] == 2 * CREDIT


@pytest.mark.parametrize(("decision", "kind"), [(Decision.APPROVE, "approved"), (Decision.REFUSE, "refused")])
def test_a_pay_out_is_told_when_it_is_decided(decision, kind):
    owner = found_owner()
    pay_in(open_account(kind=AccountKind.PROVIDER_AVAILABLE, owner_id=owner.organisation_id, purpose="", now=NOW), 10)
    request_pay_out(actor=owner, organisation_id=owner.organisation_id, amount_uc=1, beneficiary="DE00", now=NOW)
    case_id = PayOut.objects.get().case_id
    for _ in range(2 if decision is Decision.APPROVE else 1):
        decide_case(actor=found_operator(), case_id=case_id, decision=decision, reason="Seen.", now=NOW)
    reconcile_ledger(NOW)
    reconcile_ledger(NOW)

    assert f"ledger.pay_out_{kind}" in told(owner)
    assert Letter.objects.filter(kind=f"ledger.pay_out_{kind}").count() == 1
