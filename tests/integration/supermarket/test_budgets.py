from datetime import UTC, datetime

import pytest

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Role
from lilong.foundation.members.models import Person
from lilong.foundation.record.models import Entry
from lilong.platforms.supermarket.core.budgets import BudgetExceeded, BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.core.policy import BUDGETS_MAX, PROJECTS_MAX
from lilong.platforms.supermarket.models import Budget, BudgetDecision, Dispute, Order
from lilong.platforms.supermarket.queries.budgets import (
    ProjectMissing,
    list_budget_decisions,
    list_budgets,
    list_projects,
)
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.browsing import quote_again
from lilong.platforms.supermarket.services.budgets import (
    BudgetMissing,
    BudgetNameTaken,
    BudgetsFull,
    BudgetSubjectMissing,
    ProjectNameTaken,
    ProjectsFull,
    close_project,
    end_budget,
    open_project,
)
from lilong.platforms.supermarket.services.disputes import open_dispute, uphold_dispute
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.platforms.supermarket.services.quotes import quote
from tests.books import available_uc
from tests.crowd import call_at_once
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall, wallet_of
from tests.people import NOW, join
from tests.pools import at, make_spec
from tests.spending import limit_spending

pytestmark = pytest.mark.django_db(transaction=True)

ORDER_UC = 150_000
"""What an order of `make_spec` can cost at most."""
WORKERS = 12


def ask_for(actor, project_id, *, seconds=0.0):
    return quote(
        actor=actor,
        spec=make_spec(),
        max_cost_uc=None,
        request_name=None,
        project_id=project_id,
        now=at(seconds),
    )


def room(actor, *, now=NOW):
    (budget,) = list_budgets(actor=actor, now=now)
    return budget.room


def test_what_is_held_counts_with_its_maximum_and_what_is_settled_with_its_charge():
    seller, buyer = open_stall(), found_buyer()
    limit_spending(buyer, CREDIT)
    buy(buyer)
    held = room(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    settled = room(buyer, now=at(100))

    assert (held.held_uc, held.charged_uc, held.left_uc) == (ORDER_UC, 0, CREDIT - ORDER_UC)
    assert (settled.held_uc, settled.charged_uc, settled.left_uc) == (0, 15_000, CREDIT - 15_000)


def test_a_quote_beyond_a_budget_is_refused_with_its_name_what_is_left_and_the_next_step():
    open_stall()
    buyer = found_buyer()
    budget_id = limit_spending(buyer, ORDER_UC - 1, name="vision")
    with pytest.raises(BudgetExceeded) as raised:
        ask(buyer)

    assert raised.value.detail.startswith(
        "Budget vision has 0.149999 of 0.149999 credits left, and this can cost 0.15: 0.000001 too much."
    )
    assert "raise the budget" in raised.value.next_step
    assert raised.value.facts["resets_at"] == "2026-04-01T00:00:00.000000Z"
    order = Order.objects.get()
    assert order.refusal is not None
    assert (order.state, order.refusal["code"]) == ("refused", "order.budget_exceeded")
    (said,) = list_budget_decisions(actor=buyer, cursor=None, limit=9).items
    assert (said.budget_id, said.order_id, said.step, said.code) == (
        budget_id,
        order.id,
        "sign_quote",
        "order.budget_exceeded",
    )
    assert (said.distance_uc, said.left_uc, said.reason) == (-1, ORDER_UC - 1, raised.value.detail)


def test_an_order_at_the_very_limit_passes_and_the_decision_is_kept_as_well():
    open_stall()
    buyer = found_buyer()
    limit_spending(buyer, ORDER_UC)

    assert buy(buyer).state == "placed"
    said = list(BudgetDecision.objects.order_by("id").values_list("step", "code", "used_uc", "asked_uc"))
    assert said == [("sign_quote", "", 0, ORDER_UC), ("hold", "", 0, ORDER_UC)]


def test_a_quote_that_lives_is_refused_at_the_hold_when_the_budget_is_spent_by_then_and_nothing_is_held():
    open_stall()
    buyer = found_buyer()
    limit_spending(buyer, 2 * ORDER_UC - 1)
    first, second = ask(buyer), ask(buyer)
    place_order(actor=buyer, quote_id=first.id, now=NOW)
    with pytest.raises(BudgetExceeded):
        place_order(actor=buyer, quote_id=second.id, now=NOW)

    assert Order.objects.get(id=second.order_id).state == "quoted"
    assert available_uc(wallet_of(buyer)) == 100 * CREDIT - ORDER_UC
    refused = BudgetDecision.objects.get(order_id=second.order_id, step="hold")
    assert (refused.code, refused.limit_uc - refused.used_uc - refused.asked_uc) == ("order.budget_exceeded", -1)


def test_budget_race_orders_at_once_never_overspend():
    open_stall()
    buyer = found_buyer()
    limit_spending(buyer, 5 * ORDER_UC + ORDER_UC // 2)
    colleagues = [join(buyer, Role.MEMBER) for _ in range(WORKERS)]
    quotes = [(colleague, ask(colleague)) for colleague in colleagues]
    found = call_at_once(lambda each: place_order(actor=each[0], quote_id=each[1].id, now=NOW), quotes)

    assert sum(isinstance(each, BudgetExceeded) for each in found) == WORKERS - 5
    assert Order.objects.filter(state="placed").count() == 5
    assert room(buyer).held_uc == 5 * ORDER_UC


def test_budget_race_with_a_budget_that_is_set_anew_meanwhile_never_overspends_it():
    open_stall()
    buyer = found_buyer()
    limit_spending(buyer, 3 * ORDER_UC)
    quotes = [(colleague, ask(colleague)) for colleague in (join(buyer, Role.MEMBER) for _ in range(8))]

    def act(number):
        if number % 2:
            return limit_spending(buyer, 3 * ORDER_UC)
        colleague, view = quotes[number // 2]
        return place_order(actor=colleague, quote_id=view.id, now=NOW)

    call_at_once(act, range(16))
    assert Order.objects.filter(state="placed").count() == 3
    assert room(buyer).left_uc == 0


def test_a_settlement_frees_what_it_did_not_use_and_a_quote_handed_back_never_counted():
    seller, buyer = open_stall(), found_buyer()
    limit_spending(buyer, ORDER_UC + 15_000)
    buy(buyer)
    with pytest.raises(BudgetExceeded):
        ask(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    view = ask(buyer, seconds=101)
    cancel_order(actor=buyer, order_id=view.order_id, now=at(102))

    assert room(buyer, now=at(103)).used_uc == 15_000
    assert ask(buyer, seconds=104).promise.max_uc == ORDER_UC


def test_a_refund_frees_its_amount():
    seller, buyer = open_stall(), found_buyer()
    limit_spending(buyer, CREDIT)
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    open_dispute(actor=buyer, order_id=order.id, claim_uc=10_000, reason="It stood still.", now=at(101))
    uphold_dispute(dispute_id=Dispute.objects.get().id, now=at(102))

    assert room(buyer, now=at(103)).charged_uc == 5_000


def test_a_month_ends_in_the_hubs_time_zone_and_begins_with_what_is_held_alone(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"time_zone": "Asia/Shanghai"})
    seller, buyer = open_stall(), found_buyer()
    limit_spending(buyer, CREDIT)
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    buy(buyer, seconds=200)
    ends_at = datetime(2026, 3, 31, 16, tzinfo=UTC)
    before = room(buyer, now=ends_at.replace(hour=15, minute=59))
    after = room(buyer, now=ends_at)

    assert (before.charged_uc, before.held_uc, before.resets_at) == (15_000, ORDER_UC, ends_at)
    assert (after.charged_uc, after.held_uc) == (0, ORDER_UC)


def test_what_is_settled_counts_in_the_month_of_its_settlement():
    seller, buyer = open_stall(), found_buyer()
    limit_spending(buyer, CREDIT)
    buy(buyer)
    finish(seller.agent, ms=60_000)
    april = datetime(2026, 4, 1, tzinfo=UTC)
    reconcile(now=april)

    assert room(buyer, now=april).charged_uc == 15_000
    assert room(buyer, now=datetime(2026, 5, 1, tzinfo=UTC)).charged_uc == 0


def test_a_budget_without_end_counts_on_from_its_beginning_whatever_its_limit_becomes():
    seller, buyer = open_stall(), found_buyer()
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(100))
    first = limit_spending(buyer, CREDIT, period=BudgetPeriod.OPEN, seconds=200)
    buy(buyer, seconds=300)
    finish(seller.agent, ms=30_000, seconds=301)
    reconcile(now=at(400))
    second = limit_spending(buyer, 2 * CREDIT, name="more", period=BudgetPeriod.OPEN, seconds=500)
    late = datetime(2027, 3, 1, tzinfo=UTC)

    assert (room(buyer, now=late).charged_uc, room(buyer, now=late).resets_at) == (7_500, None)
    assert second != first
    assert Budget.objects.get(id=first).ended_at == at(500)
    assert Entry.objects.filter(kind="supermarket.budget").count() == 2


def test_a_project_and_a_person_have_budgets_of_their_own():
    open_stall()
    buyer = found_buyer()
    member = join(buyer, Role.MEMBER)
    project_id = open_project(actor=buyer, name="speech", now=NOW)
    limit_spending(buyer, ORDER_UC, name="speech", scope=BudgetScope.PROJECT, subject_id=project_id)
    limit_spending(buyer, ORDER_UC, name="bo", scope=BudgetScope.PERSON, subject_id=member.person_id)
    place_order(actor=buyer, quote_id=ask_for(buyer, project_id).id, now=NOW)

    with pytest.raises(BudgetExceeded, match="Budget speech"):
        ask_for(member, project_id)
    buy(member)
    with pytest.raises(BudgetExceeded, match="Budget bo"):
        ask(member)
    assert ask(buyer).promise.max_uc == ORDER_UC


def test_a_closed_project_takes_no_orders_its_budgets_end_and_a_repeated_order_goes_without():
    open_stall()
    buyer, other = found_buyer(), found_buyer()
    project_id = open_project(actor=buyer, name="speech", now=NOW)
    limit_spending(buyer, ORDER_UC, scope=BudgetScope.PROJECT, subject_id=project_id)
    order_id = place_order(actor=buyer, quote_id=ask_for(buyer, project_id).id, now=NOW)
    with pytest.raises(ProjectMissing):
        ask_for(other, project_id)
    close_project(actor=buyer, project_id=project_id, now=at(1))
    with pytest.raises(ProjectMissing):
        ask_for(buyer, project_id)

    assert (list_projects(actor=buyer), list_budgets(actor=buyer, now=NOW)) == ([], [])
    again = quote_again(actor=buyer, order_id=order_id, request_name=None, now=at(2))
    assert (again.project_id, again.promise.spec_sha256) == (None, make_spec().digest)


def test_an_order_that_is_repeated_is_quoted_for_its_project_at_the_new_price_and_not_taken():
    open_stall()
    buyer = found_buyer()
    project_id = open_project(actor=buyer, name="speech", now=NOW)
    order_id = place_order(actor=buyer, quote_id=ask_for(buyer, project_id).id, now=NOW)
    again = quote_again(actor=buyer, order_id=order_id, request_name=None, now=at(2))

    assert (again.project_id, again.state) == (project_id, "quoted")


def test_an_ended_budget_refuses_nothing_and_what_it_decided_stays():
    open_stall()
    buyer = found_buyer()
    budget_id = limit_spending(buyer, 1)
    with pytest.raises(BudgetExceeded):
        ask(buyer)
    for _ in range(2):
        end_budget(actor=buyer, budget_id=budget_id, now=NOW)

    assert ask(buyer).promise.max_uc == ORDER_UC
    assert BudgetDecision.objects.get().code == "order.budget_exceeded"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_only_those_who_manage_or_pay_set_budgets(role):
    buyer = found_buyer()
    with pytest.raises(NotAllowed):
        limit_spending(join(buyer, role), CREDIT)
    assert limit_spending(join(buyer, Role.BILLING), CREDIT)


def test_what_is_set_wrongly_is_refused():
    buyer, other = found_buyer(), found_buyer()
    stranger = Person.objects.get(id=other.person_id).id
    for scope, subject_id in (
        (BudgetScope.ORGANISATION, "prj_x"),
        (BudgetScope.PERSON, ""),
        (BudgetScope.PERSON, stranger),
    ):
        with pytest.raises(BudgetSubjectMissing):
            limit_spending(buyer, 1, scope=scope, subject_id=subject_id)
    with pytest.raises(ProjectMissing):
        limit_spending(buyer, 1, scope=BudgetScope.PROJECT, subject_id="prj_x")
    budget_id = limit_spending(buyer, 1)
    with pytest.raises(BudgetNameTaken):
        limit_spending(buyer, 1, period=BudgetPeriod.OPEN)
    with pytest.raises(BudgetMissing):
        end_budget(actor=other, budget_id=budget_id, now=NOW)


def test_there_are_bounds_to_how_many_there_are():
    buyer = found_buyer()
    for number in range(PROJECTS_MAX):
        project_id = open_project(actor=buyer, name=f"p{number}", now=NOW)
        if number < BUDGETS_MAX:
            limit_spending(buyer, 1, name=f"b{number}", scope=BudgetScope.PROJECT, subject_id=project_id)
    with pytest.raises(BudgetsFull):
        limit_spending(buyer, 1, name="more")
    with pytest.raises(ProjectNameTaken):
        open_project(actor=buyer, name="p0", now=NOW)
    with pytest.raises(ProjectsFull):
        open_project(actor=buyer, name="more", now=NOW)


def test_budgets_are_seen_by_their_organisation_alone():
    buyer, other = found_buyer(), found_buyer()
    limit_spending(buyer, CREDIT)

    assert list_budgets(actor=other, now=NOW) == []
    assert list_budgets(actor=join(buyer, Role.VIEWER), now=NOW)[0].name == "all"
