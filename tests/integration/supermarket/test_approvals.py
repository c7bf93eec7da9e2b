import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.notices.models import Notice
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.budgets import BudgetExceeded
from lilong.platforms.supermarket.core.checks import FundsShort, MaxCostExceeded
from lilong.platforms.supermarket.core.states import OrderState, StepImpossible
from lilong.platforms.supermarket.models import Approval, Order
from lilong.platforms.supermarket.queries.orders import list_orders
from lilong.platforms.supermarket.queries.quotes import get_quote
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.approvals import (
    ApprovalTooLate,
    ApproverMissing,
    approve_order,
    refuse_order,
)
from lilong.platforms.supermarket.services.browsing import quote_again
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from tests.books import available_uc
from tests.crowd import call_at_once
from tests.market import CREDIT, PRICE_UC, ask, found_buyer, open_stall, set_price, wallet_of
from tests.people import NOW, join
from tests.pools import at, make_spec
from tests.programmes import give_voucher
from tests.spending import limit_spending, need_approval

pytestmark = pytest.mark.django_db(transaction=True)

ORDER_UC = 150_000
QUARTER_HOUR, DAY = 15 * 60, 24 * 3600


@pytest.fixture
def asked():
    """Return seller, owner, and an order of a member that waits, with a voucher that pays a part."""
    seller, owner = open_stall(), found_buyer()
    give_voucher(owner.organisation_id, amount_uc=CREDIT)
    need_approval(owner, above_uc=ORDER_UC - 1)
    member = join(owner, Role.MEMBER)
    view = ask(member)
    order_id = place_order(actor=member, quote_id=view.id, now=at(1))
    return seller, owner, member, Order.objects.get(id=order_id)


def again(actor, order, *, seconds):
    return quote_again(actor=actor, order_id=order.id, request_name=None, now=at(seconds))


def kinds():
    return list(Notice.objects.filter(kind__startswith="supermarket.").values_list("kind", flat=True))


def test_an_order_above_the_limit_waits_with_its_vouchers_reserved_and_nothing_of_the_wallet_held(asked):
    _seller, owner, _member, order = asked
    voucher = Voucher.objects.get()

    assert (order.state, order.run_id) == (OrderState.AWAITING, "")
    assert available_uc(voucher.account_id) < CREDIT
    assert available_uc(wallet_of(owner)) == 100 * CREDIT
    waiting = list_orders(actor=owner, cursor=None, limit=9, states={OrderState.AWAITING}).items
    assert [each.id for each in waiting] == [order.id]
    notice = Notice.objects.get(kind="supermarket.approval_asked")
    assert notice.person_ids == [owner.person_id]


def test_an_order_at_the_limit_needs_nobody():
    open_stall()
    owner = found_buyer()
    need_approval(owner, above_uc=ORDER_UC)

    assert Order.objects.get(id=place_order(actor=owner, quote_id=ask(owner).id, now=NOW)).state == "placed"


def test_an_approval_in_time_orders_at_the_price_of_the_quote(asked):
    seller, owner, _member, order = asked
    set_price(seller.owner, seller.offer_id, 999_999, now=at(2))
    approve_order(actor=owner, order_id=order.id, reason="Needed for the fair.", now=at(QUARTER_HOUR - 1))

    order.refresh_from_db()
    assert (order.state, order.max_uc) == ("placed", ORDER_UC)
    assert [line.step for line in order.timeline.order_by("number")][-4:] == [
        "ask_approval",
        "approve",
        "hold",
        "submit",
    ]
    approval = Approval.objects.get()
    assert (approval.decision, approval.decided_by, approval.reason) == (
        "approved",
        owner.person_id,
        "Needed for the fair.",
    )
    entry = Entry.objects.get(kind="supermarket.approval")
    assert '"distance_uc":1' in entry.payload.content
    assert kinds() == ["supermarket.approval_asked", "supermarket.approval_given"]


def test_a_refusal_ends_the_order_and_releases_its_vouchers(asked):
    _seller, owner, member, order = asked
    refuse_order(actor=owner, order_id=order.id, reason="Too dear.", now=at(2))

    order.refresh_from_db()
    assert (order.state, order.live_slot) == ("refused", None)
    assert available_uc(Voucher.objects.get().account_id) == CREDIT
    assert order.timeline.latest("number").detail == "Too dear."
    assert Notice.objects.get(kind="supermarket.approval_refused").person_ids == [member.person_id]


def test_when_its_quote_expires_the_order_goes_on_waiting_with_nothing_reserved(asked):
    _seller, _owner, member, order = asked
    for seconds in (QUARTER_HOUR, QUARTER_HOUR + 1):
        reconcile(now=at(seconds))

    order.refresh_from_db()
    assert (order.state, order.live_slot) == ("awaiting", None)
    assert [line.step for line in order.timeline.order_by("number")][-2:] == ["ask_approval", "lapse_quote"]
    assert available_uc(Voucher.objects.get().account_id) == CREDIT
    assert [ask(member, seconds=QUARTER_HOUR + 1).state for _ in range(3)] == ["quoted"] * 3


@pytest.mark.parametrize("is_reconciled", [True, False])
def test_an_approval_after_the_quote_lets_the_same_job_be_ordered_once_at_most_for_its_maximum(asked, is_reconciled):
    seller, owner, member, order = asked
    if is_reconciled:
        reconcile(now=at(QUARTER_HOUR))
    approve_order(actor=owner, order_id=order.id, reason="Needed for the fair.", now=at(2 * DAY))

    order.refresh_from_db()
    assert (order.state, order.run_id) == ("approved", "")
    assert available_uc(Voucher.objects.get().account_id) == CREDIT
    assert kinds() == ["supermarket.approval_asked", "supermarket.order_approved"]
    seller.agent.sync(seconds=2 * DAY)
    set_price(seller.owner, seller.offer_id, PRICE_UC + 1_000, now=at(2 * DAY))
    with pytest.raises(MaxCostExceeded):
        again(member, order, seconds=2 * DAY)
    set_price(seller.owner, seller.offer_id, PRICE_UC, now=at(2 * DAY + 1))
    first, second = (
        place_order(actor=member, quote_id=again(member, order, seconds=2 * DAY + 1).id, now=at(2 * DAY + 2))
        for _ in range(2)
    )
    assert [Order.objects.get(id=each).state for each in (first, second)] == ["placed", "awaiting"]
    assert Approval.objects.get(order=order).used_by == first


def test_nobody_else_and_no_other_job_is_ordered_by_an_approval(asked):
    seller, owner, member, order = asked
    approve_order(actor=owner, order_id=order.id, reason="Yes.", now=at(DAY))
    seller.agent.sync(seconds=DAY)
    colleague = join(owner, Role.MEMBER)
    others = [ask(colleague, seconds=DAY), ask(member, spec=make_spec(command="true"), seconds=DAY)]

    for view, actor in zip(others, (colleague, member), strict=True):
        placed = place_order(actor=actor, quote_id=view.id, now=at(DAY + 1))
        assert Order.objects.get(id=placed).state == "awaiting"


def test_after_a_week_it_is_too_late_and_nothing_is_ordered(asked):
    _seller, owner, _member, order = asked
    with pytest.raises(ApprovalTooLate):
        approve_order(actor=owner, order_id=order.id, reason="Yes.", now=at(QUARTER_HOUR + 7 * DAY))
    for _ in range(2):
        reconcile(now=at(QUARTER_HOUR + 7 * DAY))

    order.refresh_from_db()
    assert (order.state, order.run_id) == ("expired", "")
    assert kinds() == ["supermarket.approval_asked", "supermarket.approval_lapsed"]
    with pytest.raises(StepImpossible):
        approve_order(actor=owner, order_id=order.id, reason="Yes.", now=at(QUARTER_HOUR + 7 * DAY + 1))


def test_an_approval_that_nobody_uses_ends_after_a_week(asked):
    _seller, owner, _member, order = asked
    approve_order(actor=owner, order_id=order.id, reason="Yes.", now=at(DAY))
    reconcile(now=at(8 * DAY - 1))
    order.refresh_from_db()
    assert order.state == "approved"
    reconcile(now=at(8 * DAY))

    order.refresh_from_db()
    assert order.state == "expired"


def test_nobody_approves_an_order_of_their_own_and_members_approve_none(asked):
    _seller, owner, member, order = asked
    join(owner, Role.ADMIN)
    mine = place_order(actor=owner, quote_id=ask(owner).id, now=at(1))

    with pytest.raises(NotAllowed, match="yourself"):
        approve_order(actor=owner, order_id=mine, reason="Mine.", now=at(2))
    with pytest.raises(NotAllowed, match="Your role is"):
        approve_order(actor=join(owner, Role.BILLING), order_id=order.id, reason="Fine.", now=at(2))
    with pytest.raises(NotAllowed):
        refuse_order(actor=member, order_id=order.id, reason="No.", now=at(2))
    with pytest.raises(NotFound):
        approve_order(actor=found_buyer(), order_id=order.id, reason="Yes.", now=at(2))


def test_where_nobody_else_can_approve_the_order_is_refused_and_the_quote_lives_on():
    open_stall()
    owner = found_buyer()
    need_approval(owner, above_uc=0)
    view = ask(owner)
    with pytest.raises(ApproverMissing):
        place_order(actor=owner, quote_id=view.id, now=NOW)

    assert get_quote(actor=owner, quote_id=view.id).state == "quoted"


def test_what_refuses_the_order_by_then_refuses_the_approval_and_it_waits_on():
    open_stall()
    owner = found_buyer(wallet_uc=ORDER_UC)
    member = join(owner, Role.MEMBER)
    need_approval(owner, above_uc=ORDER_UC - 1)
    view = ask(member)
    place_order(actor=member, quote_id=view.id, now=NOW)
    limit_spending(owner, ORDER_UC - 1)
    with pytest.raises(BudgetExceeded):
        approve_order(actor=owner, order_id=view.order_id, reason="Yes.", now=at(1))
    limit_spending(owner, CREDIT)
    approve_order(actor=owner, order_id=view.order_id, reason="Yes.", now=at(2))

    assert Order.objects.get().state == "placed"
    assert Approval.objects.get().decision == "approved"


def test_an_order_that_the_wallet_does_not_cover_asks_nobody():
    open_stall()
    owner = found_buyer(wallet_uc=1)
    member = join(owner, Role.MEMBER)
    need_approval(owner, above_uc=0)
    with pytest.raises(FundsShort):
        place_order(actor=member, quote_id=ask(member).id, now=NOW)

    assert kinds() == []


def test_an_order_that_waits_can_be_withdrawn_and_taking_its_quote_again_asks_once(asked):
    _seller, _owner, member, order = asked
    assert place_order(actor=member, quote_id=order.quote.id, now=at(2)) == order.id
    cancel_order(actor=member, order_id=order.id, now=at(3))

    order.refresh_from_db()
    assert order.state == "cancelled"
    assert available_uc(Voucher.objects.get().account_id) == CREDIT
    assert Approval.objects.count() == 1


def test_approved_and_refused_at_once_exactly_one_holds(asked):
    _seller, owner, _member, order = asked
    admins = [join(owner, Role.ADMIN) for _ in range(6)]

    def decide(number):
        act = approve_order if number % 2 else refuse_order
        return act(actor=admins[number], order_id=order.id, reason="So.", now=at(5))

    found = call_at_once(decide, range(6))
    order.refresh_from_db()
    assert sum(isinstance(each, StepImpossible) for each in found) == 5
    assert (order.state == "placed") is (Approval.objects.get().decision == "approved")
    assert Entry.objects.filter(kind="supermarket.approval").count() == 1
