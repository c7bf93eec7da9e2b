import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lilong.common.django.once import new_key
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.budgets import BudgetExceeded
from lilong.platforms.supermarket.models import Approval, Budget, Order, Project, SpendingRule
from lilong.platforms.supermarket.services.orders import place_order
from tests.api.calls import seconds_now
from tests.market import CREDIT, ask, buy, found_buyer, open_stall
from tests.people import join
from tests.pools import at
from tests.sessions import browse_as
from tests.spending import limit_spending, need_approval

pytestmark = pytest.mark.django_db(transaction=True)

QUERIES_MAX = 12
PATH = "/organisation/spending"


@pytest.fixture
def owner():
    open_stall(now=utc_now())
    return found_buyer(now=utc_now())


def read(client, path=PATH):
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200, response.content
    assert len(queries) <= QUERIES_MAX, path
    return response.content.decode()


def place_awaiting(owner):
    need_approval(owner, above_uc=0)
    member = join(owner, Role.MEMBER, now=utc_now())
    view = ask(member, seconds=seconds_now())
    return member, place_order(actor=member, quote_id=view.id, now=at(seconds_now()))


def test_a_project_and_its_budget_are_set_and_ended(owner):
    browser = browse_as(owner)
    browser.post(f"{PATH}/projects", {"project_name": "speech"})
    project = Project.objects.get()
    given = {"name": "speech 2026", "about": f"project {project.id}", "period": "open", "limit": "12.5"}
    assert browser.post(f"{PATH}/budgets", given)["Location"] == PATH
    budget = Budget.objects.get()
    page = read(browser)

    assert (budget.subject_id, budget.period, budget.limit_uc) == (project.id, "open", 12_500_000)
    assert "speech 2026" in page
    assert "project speech" in page
    browser.post(f"{PATH}/budgets/{budget.id}/end")
    browser.post(f"{PATH}/projects/{project.id}/close")
    page = read(browser)
    assert "There is no budget." in page
    assert "There is no project." in page


def test_both_limits_are_set_and_taken_away(owner):
    browser = browse_as(owner)
    browser.post(f"{PATH}/rule", {"approval_above": "0", "low_balance": "2.5"})
    rule = SpendingRule.objects.get()
    assert (rule.approval_above_uc, rule.low_balance_uc) == (0, 2_500_000)
    assert 'value="2.50"' in read(browser)

    browser.post(f"{PATH}/rule", {"approval_above": "", "low_balance": ""})
    rule.refresh_from_db()
    assert (rule.approval_above_uc, rule.low_balance_uc) == (None, None)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("budgets", {"name": "x", "about": "organisation", "period": "month", "limit": "nothing"}),
        ("budgets", {"name": "x", "about": "project prj_1", "period": "month", "limit": "1"}),
        ("projects", {"project_name": ""}),
        ("rule", {"low_balance": "0"}),
    ],
)
def test_what_is_written_wrongly_is_said_beside_its_field(owner, path, form):
    response = browse_as(owner).post(f"{PATH}/{path}", form)

    assert response.status_code == 422
    assert 'class="error"' in response.content.decode()


def test_a_member_sees_what_is_left_and_what_was_decided_and_changes_nothing(owner):
    limit_spending(owner, 150_000, name="all")
    buy(owner, seconds=seconds_now())
    with pytest.raises(BudgetExceeded):
        ask(owner, seconds=seconds_now())
    page = read(browse_as(join(owner, Role.MEMBER, now=utc_now())))

    assert page.count('class="badge badge-good"') == 2
    assert page.count('class="badge badge-bad"') == 1
    assert "-0.15" in page.replace("−", "-")
    assert 'action="/organisation/spending/budgets"' not in page


def test_a_job_is_quoted_for_the_project_that_the_form_names(owner):
    browser = browse_as(owner)
    browser.post(f"{PATH}/projects", {"project_name": "speech"})

    def ask_for(name):
        job = SimpleUploadedFile("job.yaml", b"name: first-job\ncommand: python3 train.py\nwalltime: 10m\n")
        return browser.post("/quotes", {"key": new_key(), "job": job, "project": name})

    assert "There is no open project called vision here." in ask_for("vision").content.decode()
    assert not Order.objects.exists()
    page = read(browser, ask_for("speech")["Location"])
    assert "<dt>Project</dt><dd>speech</dd>" in page


def test_an_order_that_waits_shows_who_can_approve_it_and_until_when_and_is_approved(owner):
    member, order_id = place_awaiting(owner)
    asking, page = read(browse_as(member), f"/orders/{order_id}"), read(browse_as(owner), f"/orders/{order_id}")

    assert "Can approve it" in asking
    assert "Withdraw the order" in asking
    assert "Approve the order" not in asking
    assert "Approve the order" in page
    assert order_id in read(browse_as(owner), "/orders?show=waiting")
    browse_as(owner).post(f"/orders/{order_id}/approval", {"decision": "approved", "reason": "For the fair."})
    assert Order.objects.get().state == "placed"
    page = read(browse_as(member), f"/orders/{order_id}")
    assert re.search(r"Approved by</dt>.*Reason</dt><dd>For the fair\.", page, re.DOTALL)


def test_an_order_that_waits_is_refused_or_withdrawn_by_page(owner):
    member, order_id = place_awaiting(owner)
    assert browse_as(owner).post(f"/orders/{order_id}/approval", {"decision": "refused"}).status_code == 422
    browse_as(owner).post(f"/orders/{order_id}/approval", {"decision": "refused", "reason": "Too dear."})
    assert (Order.objects.get().state, Approval.objects.get().decision) == ("refused", "refused")

    view = ask(member, seconds=seconds_now())
    place_order(actor=member, quote_id=view.id, now=at(seconds_now()))
    answer = browse_as(member).post(f"/orders/{view.order_id}/cancel", follow=True)
    assert "The order is withdrawn; nothing was held." in answer.content.decode()


def test_the_pages_speak_chinese(owner):
    limit_spending(owner, CREDIT, name="all")
    _member, order_id = place_awaiting(owner)

    assert "支出管理" in read(browse_as(owner, language="zh-hans"))
    assert "批准订单" in read(browse_as(owner, language="zh-hans"), f"/orders/{order_id}")
