"""The pages on which voucher money is asked back, and those on which the organisation sees it."""

import pytest

from lilong.common.ids import new_id
from lilong.common.time import utc_now
from lilong.foundation.cases.models import Case
from lilong.platforms.funding.models import ClawBack
from lilong.platforms.funding.reactions import reconcile
from tests.desks import browse_as
from tests.market import found_buyer
from tests.people import found_operator
from tests.programmes import CREDIT, RULE, approve, give_used_voucher, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/desk/programmes/claw-backs"


def read(browser, page, **headers):
    return " ".join(browser.get(page, **headers).content.decode().split())


def test_an_operator_asks_back_by_page_and_the_organisation_sees_what_was_taken(django_assert_max_num_queries):
    now = utc_now()
    buyer, operator = found_buyer(now=now), found_operator(now=now)
    orders = [new_id("ord"), new_id("ord")]
    voucher_id = give_used_voucher(buyer.organisation_id, order_ids=orders, name="Compute", now=now)
    browser, page = browse_as(operator), f"{LIST}/{voucher_id}"
    assert f'href="{page}"' in read(browser, LIST)
    with django_assert_max_num_queries(12):
        assert orders[0] in read(browser, page)

    form = {"order_ids": orders[0], "reason": "false_declaration", "detail": "Another day."}
    answer = browser.post(page, form, page=page)
    case = Case.objects.get(kind="funding.claw_back")
    assert answer["Location"] == f"/desk/cases/{case.id}"
    assert "something was declared that is not so" in read(browser, f"/desk/cases/{case.id}")
    approve(case.id, now=now)
    reconcile(now=utc_now())

    with django_assert_max_num_queries(12):
        assert "1.00" in read(browser, LIST)
    own = browse_as(buyer)
    with django_assert_max_num_queries(12):
        assert f'href="/cases/{case.id}"' in read(own, "/organisation/programmes")
    said = read(own, f"/cases/{case.id}")
    assert "You may appeal until" in said
    assert "Voucher money taken back" in read(own, "/wallet")
    own.post(f"/cases/{case.id}", {"reason": "The day is right."}, page=f"/cases/{case.id}")
    assert Case.objects.get(appeal_of=case).facts["approved_because"] == "seen"


def test_what_cannot_be_asked_back_stays_on_the_page_with_its_reason():
    now = utc_now()
    voucher_id = give_used_voucher(found_buyer(now=now).organisation_id, order_ids=[new_id("ord")], name="A", now=now)
    page = f"{LIST}/{voucher_id}"
    answer = browse_as(found_operator(now=now)).post(page, {"reason": "related_party", "detail": "x"}, page=page)

    assert answer.status_code == 422
    assert not ClawBack.objects.exists()


def test_a_voucher_whose_rule_asks_nothing_back_says_so():
    now = utc_now()
    give_voucher(found_buyer(now=now).organisation_id, amount_uc=CREDIT, rule=RULE, now=now)
    browser = browse_as(found_operator(now=now))

    assert "No voucher has paid for anything yet." in read(browser, LIST)
