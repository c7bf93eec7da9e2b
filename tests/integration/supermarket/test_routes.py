import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.ids import new_id
from lilong.common.permissions import Role
from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import decide_case
from lilong.foundation.cases.reactions import reconcile as watch_cases
from lilong.foundation.members.models import Membership
from lilong.foundation.notices.models import Notice
from lilong.foundation.record.models import Entry
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.checks import MaxCostExceeded
from lilong.platforms.supermarket.core.pricing import HOUR_MS
from lilong.platforms.supermarket.core.routes import OpenCallNeeded
from lilong.platforms.supermarket.models import Order, Review, RouteDecision
from lilong.platforms.supermarket.queries.routes import find_review
from lilong.platforms.supermarket.reactions import on_case_decided, reconcile
from lilong.platforms.supermarket.services.approvals import approve_order
from lilong.platforms.supermarket.services.browsing import quote_again
from lilong.platforms.supermarket.services.budgets import open_project
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from tests.books import available_uc
from tests.cards import CARD_PRICE_UC, ask_for, decide_review, open_hall, order_hours
from tests.crowd import call_at_once
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, set_price, wallet_of
from tests.people import NOW, found_operator, join
from tests.pools import at
from tests.programmes import give_voucher
from tests.spending import need_approval

pytestmark = pytest.mark.django_db(transaction=True)

APPROVE, REFUSE = Decision.APPROVE, Decision.REFUSE
DAY = 24 * 3600
SMALL, LIGHT, FULL, BEYOND = 4_992, 6_400, 20_032, 150_016
"""Card-hours of the automatic route, of each review, and of none."""


@pytest.fixture
def hall():
    return open_hall()


@pytest.fixture
def buyer(hall):
    return found_buyer()


def again(actor, order, *, seconds):
    return quote_again(actor=actor, order_id=order.id, request_name=None, now=at(seconds))


def grant(hall, buyer, hours=LIGHT, *, project_id=""):
    """Have so much approved after the quote has expired, and return the request."""
    request = order_hours(buyer, hours, project_id=project_id)
    reconcile(now=at(1_000))
    decide_review(request, APPROVE, seconds=DAY)
    hall.agent.sync(seconds=DAY)
    request.refresh_from_db()
    return request


def hours(ms):
    return ms / HOUR_MS


def look_at(order):
    """Return an order's review as its page shows it."""
    review = find_review(order=order)
    assert review is not None
    return review


def test_up_to_the_automatic_limit_nobody_is_asked_and_the_decision_is_kept(buyer):
    order = order_hours(buyer, SMALL)

    assert order.state == "placed"
    quoted, taken = RouteDecision.objects.filter(order=order).order_by("id")
    assert (quoted.step, taken.step, taken.way, taken.rule_version) == ("sign_quote", "hold", "automatic", "1")
    assert (hours(taken.asked_ms), hours(taken.counted_ms), hours(taken.limit_ms)) == (SMALL, SMALL, 5_000)


def test_orders_without_cards_are_of_no_size(buyer):
    open_stall()
    assert buy(buyer).state == "placed"
    assert not RouteDecision.objects.exists()


def test_a_large_order_waits_for_one_operator_and_the_case_says_what_decides(hall, buyer):
    order = order_hours(buyer, LIGHT)

    assert (order.state, order.run_id) == ("awaiting", "")
    case = Case.objects.get(id=order.review.case_id)
    assert (case.kind, case.approvals_needed, case.concerns) == (
        "supermarket.light_review",
        1,
        [hall.owner.organisation_id],
    )
    assert (case.due_at - NOW).days == 7
    facts = case.facts
    assert (facts["card_hours"], facts["card_hours_counted"], facts["card_hours_distance"]) == (LIGHT, LIGHT, 13_600)
    assert (facts["order_id"], facts["reason"]) == (order.id, "A model of the city's tides.")
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT


def test_a_split_does_not_go_round_the_automatic_route(buyer):
    first = order_hours(buyer, SMALL)
    colleague = join(buyer, Role.MEMBER)
    project_id = open_project(actor=buyer, name="tides", now=NOW)
    second = order_hours(colleague, 32, project_id=project_id)

    assert (first.state, second.state) == ("placed", "awaiting")
    assert Case.objects.get(id=second.review.case_id).facts["card_hours_in_project"] == 0


def test_requests_cannot_be_split_either(buyer):
    routes = [order_hours(buyer, 6_592).review.route for _ in range(3)]
    cancel_order(actor=buyer, order_id=Order.objects.order_by("id")[0].id, now=NOW)
    fourth = order_hours(buyer, 6_592)

    assert routes == ["light", "light", "light"]
    assert fourth.review.route == "light"
    reconcile(now=at(1_000))
    assert order_hours(buyer, 6_592, seconds=1_000).review.route == "full"


def test_beyond_the_last_review_it_is_refused_with_where_to_go_and_the_refusal_is_kept(buyer):
    with pytest.raises(OpenCallNeeded) as refusal:
        order_hours(buyer, BEYOND)

    assert "open call" in refusal.value.next_step
    order = Order.objects.get()
    assert order.state == "refused"
    assert order.refusal is not None
    assert order.refusal["code"] == "order.open_call_needed"
    kept = RouteDecision.objects.get()
    assert (kept.way, hours(kept.counted_ms), hours(kept.limit_ms)) == ("open_call", BEYOND, 150_000)


def test_after_the_window_what_was_ordered_counts_no_more_once_it_is_settled(hall, buyer):
    order = order_hours(buyer, SMALL)
    finish(hall.agent, ms=3_600_000)
    reconcile(now=at(4_000))
    order.refresh_from_db()
    assert hours(order.card_ms) == pytest.approx(512, abs=1)

    hall.agent.sync(seconds=4_000)
    assert order_hours(buyer, 4_480, seconds=4_000).state == "placed"
    finish(hall.agent, ms=1_000, seconds=4_001)
    month = 30 * DAY
    reconcile(now=at(month))
    hall.agent.sync(seconds=month + 4_001)
    assert order_hours(buyer, SMALL, seconds=month + 4_001).state == "placed"


def test_what_still_runs_counts_however_old_it_is(hall, buyer):
    order_hours(buyer, SMALL)
    hall.agent.sync(seconds=31 * DAY)

    assert order_hours(buyer, 32, seconds=31 * DAY).state == "awaiting"


def test_two_different_operators_approve_a_full_review_and_one_refusal_ends_it(buyer):
    first, second = order_hours(buyer, FULL), order_hours(buyer, FULL)
    assert decide_review(first, APPROVE, seconds=1).decision == ""
    assert decide_review(first, APPROVE, seconds=2).decision == "approved"
    assert decide_review(second, APPROVE, REFUSE, seconds=3, reason="Not ready.").decision == "refused"

    second.refresh_from_db()
    assert (second.state, second.live_slot) == ("refused", None)
    assert second.timeline.latest("number").detail == "Not ready."
    assert Notice.objects.get(kind="supermarket.review_refused").person_ids == [buyer.person_id]


def test_decided_while_the_quote_lives_it_is_ordered_at_its_price(hall, buyer):
    order = order_hours(buyer, LIGHT)
    set_price(hall.owner, hall.offer_id, 10 * CARD_PRICE_UC, now=at(1))
    review = decide_review(order, APPROVE, seconds=60)

    order.refresh_from_db()
    assert (order.state, order.drawn_from_id) == ("placed", review.id)
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - (order.max_uc or 0)


def test_when_the_quote_expires_vouchers_are_free_and_the_request_waits_on(hall, buyer):
    give_voucher(buyer.organisation_id, amount_uc=CREDIT)
    order = order_hours(buyer, LIGHT)
    voucher = Voucher.objects.get()
    assert available_uc(voucher.account_id) < CREDIT
    for seconds in (900, 901, 60 * DAY):
        reconcile(now=at(seconds))

    order.refresh_from_db()
    assert (order.state, order.live_slot) == ("awaiting", None)
    assert available_uc(voucher.account_id) == CREDIT


def test_silence_is_told_to_all_operators_and_to_the_member_and_refuses_nobody(buyer):
    operator = found_operator()
    order = order_hours(buyer, LIGHT)
    watch_cases(at(7 * DAY))
    reconcile(now=at(8 * DAY))

    assert {each.kind for each in Notice.objects.filter(subject_id=order.review.case_id)} >= {
        "cases.overdue",
        "cases.late",
    }
    assert look_at(order).is_late
    order.refresh_from_db()
    assert order.state == "awaiting"
    decide_case(actor=operator, case_id=order.review.case_id, decision=APPROVE, reason="Late.", now=at(9 * DAY))
    reconcile(now=at(9 * DAY))
    order.refresh_from_db()
    assert order.state == "approved"


def test_an_approved_request_is_ordered_at_the_price_of_then_and_never_above_the_maximum_shown(hall, buyer):
    request = grant(hall, buyer)
    assert (request.state, request.run_id) == ("approved", "")
    set_price(hall.owner, hall.offer_id, CARD_PRICE_UC + 1, now=at(DAY))
    with pytest.raises(MaxCostExceeded):
        again(buyer, request, seconds=DAY)
    set_price(hall.owner, hall.offer_id, CARD_PRICE_UC - 1, now=at(DAY + 1))
    placed = place_order(actor=buyer, quote_id=again(buyer, request, seconds=DAY + 1).id, now=at(DAY + 2))

    order = Order.objects.get(id=placed)
    assert (order.state, order.drawn_from_id) == ("placed", request.review.id)
    assert order.max_uc == request.max_uc // 2
    assert RouteDecision.objects.filter(order=order, way="allowed").count() == 2
    assert look_at(request).left_ms == 0


def test_a_dearer_order_asks_for_a_review_anew_instead_of_costing_more_than_was_approved(hall, buyer):
    grant(hall, buyer)
    set_price(hall.owner, hall.offer_id, CARD_PRICE_UC + 1, now=at(DAY))

    assert order_hours(buyer, LIGHT, seconds=DAY).state == "awaiting"


def test_several_orders_of_the_project_use_up_what_was_approved_and_get_back_what_they_did_not_use(hall, buyer):
    tides = open_project(actor=buyer, name="tides", now=NOW)
    request = grant(hall, buyer, project_id=tides)
    first = order_hours(buyer, 3_200, project_id=tides, seconds=DAY)
    assert first.drawn_from_id == request.review.id
    assert hours(look_at(request).left_ms) == 3_200

    finish(hall.agent, ms=3_600_000, seconds=DAY + 1)
    reconcile(now=at(DAY + 4_000))
    left = look_at(request)
    first.refresh_from_db()
    assert hours(left.left_ms) == pytest.approx(LIGHT - 512, abs=1)
    assert left.left_uc == request.max_uc - first.due_uc
    hall.agent.sync(seconds=DAY + 4_000)
    assert order_hours(buyer, 3_200, seconds=DAY + 4_000).drawn_from_id is None


def test_what_was_approved_ends_at_its_date_and_when_it_is_handed_back(hall, buyer):
    order_hours(buyer, SMALL)
    first, second = grant(hall, buyer, 3_200), grant(hall, buyer, LIGHT)
    cancel_order(actor=buyer, order_id=second.id, now=at(DAY))
    assert order_hours(buyer, 3_200, seconds=DAY).drawn_from_id == first.review.id
    assert order_hours(buyer, 3_200, seconds=DAY + 1).state == "awaiting"

    reconcile(now=at(91 * DAY))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("expired", "cancelled")


def test_a_request_that_is_withdrawn_closes_its_case_and_an_answer_that_comes_late_changes_nothing(buyer):
    order = order_hours(buyer, LIGHT)
    cancel_order(actor=buyer, order_id=order.id, now=at(1))
    reconcile(now=at(2))

    order.refresh_from_db()
    case = Case.objects.get(id=order.review.case_id)
    assert (order.state, order.review.decision, case.state) == ("cancelled", "withdrawn", CaseState.REFUSED)
    on_case_decided({"kind": case.kind, "case_id": case.id, "subject_id": order.id}, now=at(3))
    assert Entry.objects.filter(kind="supermarket.review").count() == 1


def test_an_answer_is_acted_on_once_by_event_and_by_reconciliation(buyer):
    order = order_hours(buyer, LIGHT)
    decide_review(order, APPROVE, seconds=1_000)
    for _ in range(2):
        on_case_decided({"kind": "supermarket.light_review", "subject_id": order.id}, now=at(1_001))
    reconcile(now=at(1_002))

    order.refresh_from_db()
    assert order.state == "approved"
    assert Entry.objects.filter(kind="supermarket.review").count() == 1
    assert [line.step for line in order.timeline.order_by("number")][-3:] == [
        "ask_review",
        "lapse_quote",
        "approve",
    ]


def test_who_belongs_to_the_buyer_or_the_provider_or_to_a_related_party_decides_nothing(hall, buyer):
    order = order_hours(buyer, LIGHT)
    for organisation_id, role in ((buyer.organisation_id, Role.VIEWER), (hall.owner.organisation_id, Role.MEMBER)):
        operator = found_operator()
        enter(operator, organisation_id, role)
        with pytest.raises(NotAllowed, match="party"):
            decide_case(actor=operator, case_id=order.review.case_id, decision=APPROVE, reason="Ours.", now=at(1))
    common_owner = found_operator()
    other = found_buyer()
    enter(common_owner, other.organisation_id, Role.OWNER)
    enter(other, hall.owner.organisation_id, Role.OWNER)
    with pytest.raises(NotAllowed, match="party"):
        decide_case(actor=common_owner, case_id=order.review.case_id, decision=APPROVE, reason="So.", now=at(1))

    assert decide_review(order, APPROVE, seconds=2).decision == "approved"


def enter(actor, organisation_id, role):
    """Let somebody belong to another organisation as well."""
    with transaction.atomic():
        Membership.objects.create(
            id=new_id("mem"), organisation_id=organisation_id, person_id=actor.person_id, role=role, joined_at=NOW
        )


def test_an_organisations_own_approval_comes_before_the_review(hall, buyer):
    need_approval(buyer, above_uc=0)
    member = join(buyer, Role.MEMBER)
    order = order_hours(member, LIGHT)
    assert not Review.objects.exists()
    approve_order(actor=buyer, order_id=order.id, reason="We need it.", now=at(DAY))
    order.refresh_from_db()
    assert (order.state, order.review.decision) == ("awaiting", "")
    assert RouteDecision.objects.filter(order=order, step="approve", way="review").count() == 1
    reconcile(now=at(20 * DAY))
    decide_review(order, APPROVE, seconds=20 * DAY)
    hall.agent.sync(seconds=20 * DAY)

    order.refresh_from_db()
    placed = place_order(actor=member, quote_id=again(member, order, seconds=20 * DAY).id, now=at(20 * DAY))
    assert Order.objects.get(id=placed).state == "placed"


def test_orders_at_once_never_pass_the_automatic_limit(buyer):
    people = [join(buyer, Role.MEMBER) for _ in range(8)]
    views = [ask_for(person, 1_248) for person in people]
    call_at_once(
        lambda number: place_order(actor=people[number], quote_id=views[number].id, now=NOW), range(len(people))
    )

    assert Order.objects.filter(state="placed").count() == 4
    assert Order.objects.filter(state="awaiting").count() == 4


def test_orders_at_once_on_the_last_hours_of_an_approval_never_draw_more_than_it_gave(hall, buyer):
    order_hours(buyer, SMALL)
    request = grant(hall, buyer, 3_200)
    people = [join(buyer, Role.MEMBER) for _ in range(6)]
    views = [ask_for(person, 1_600, seconds=DAY) for person in people]
    call_at_once(
        lambda number: place_order(actor=people[number], quote_id=views[number].id, now=at(DAY)), range(len(people))
    )

    drawn = Order.objects.filter(drawn_from=request.review)
    assert drawn.count() == 2
    assert look_at(request).left_ms == 0
    assert Order.objects.filter(state="awaiting").count() == 4
