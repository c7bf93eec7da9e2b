"""The pages of accelerators, and the operators' forms."""

import re

import pytest

from lilong.common.time import utc_now
from lilong.platforms.stack.models import AddedClaim, Withdrawal
from tests.market import found_buyer, open_stall
from tests.people import found_operator
from tests.pools import make_node
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db
FORM = {
    "property": "memory_gb",
    "value": "94.0",
    "tier": "operator",
    "confidence": "low",
    "source_title": "A board in hand",
    "source_url": "https://example.org/board",
    "source_commit": "",
    "source_dated_on": "2026-01-31",
    "conditions": "",
    "note": "",
}


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """Let the market's moment be now, for pages look at the clock."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, now)


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def open_h100_stall():
    return open_stall(name="hall", accelerator="h100-sxm5", nodes=(make_node(name="n0", h100_sxm5=8),), now=utc_now())


def test_a_stranger_sees_what_is_claimed_and_who_sells_it(django_assert_max_num_queries):
    open_h100_stall()
    with django_assert_max_num_queries(12):
        page = read(browse_as_stranger().get("/accelerators/h100-sxm5"))

    assert "H100-SXM5" in page
    assert "NVIDIA H100" in page  # an alias
    assert "0.90" in page  # credits an hour
    assert "hall" in page
    assert "NVIDIA: H100" in page
    assert "Withdraw" not in page


def test_conflicts_are_shown_beside_each_other_and_doubt_stays_marked():
    page = read(browse_as_stranger().get("/accelerators/ascend-910b"))

    for value in ("313.182", "256", "376", "sources disagree", "measured", "low"):
        assert value in page


def test_the_list_shows_best_claims_the_lowest_price_and_what_is_unknown(django_assert_max_num_queries):
    open_h100_stall()
    with django_assert_max_num_queries(12):
        answer = browse_as_stranger().get("/accelerators")
    rows = re.findall(r"<tr>.*?</tr>", answer.content.decode(), re.DOTALL)
    told = {
        match[1]: " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in rows
        if (match := re.search(r"accelerators/([\w-]+)", row))
    }

    assert len(told) == 31
    assert "80 datasheet" in told["h100-sxm5"]
    assert told["h100-sxm5"].endswith("0.90")
    assert "64 measured" in told["ascend-910b"]
    assert told["kunlunxin-p800"].count("unknown") == 3
    assert "1,228 press · doubtful" in told["mlu590"]


@pytest.mark.parametrize("name", ["昇腾910B", "Atlas 800T A2", "910b"])
def test_any_name_leads_to_the_page(name):
    answer = browse_as_stranger().get(f"/accelerators/{name}")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/accelerators/ascend-910b")


def test_an_unknown_name_is_refused_with_the_nearest():
    answer = browse_as_stranger().get("/accelerators/MI300")

    assert answer.status_code == 404
    assert "mi300x" in read(answer)


def test_the_shelf_leads_to_the_pages_of_what_it_sells():
    open_h100_stall()

    assert '<a href="/accelerators/h100-sxm5">' in browse_as(found_buyer(now=utc_now())).get("/shelf").content.decode()


def test_an_operator_adds_a_claim_and_withdraws_it():
    operator = found_operator(now=utc_now())
    browser = browse_as(operator)
    assert "Add a claim" in read(browser.get("/accelerators/h100-sxm5"))
    added = browser.post("/accelerators/h100-sxm5/claims", FORM)
    assert (added.status_code, added.headers["Location"]) == (302, "/accelerators/h100-sxm5")
    claim = AddedClaim.objects.get()
    assert (claim.value, str(claim.source_dated_on), claim.added_by) == ("94", "2026-01-31", operator.person_id)
    page = browser.get("/accelerators/h100-sxm5").content.decode()
    assert f"/claims/{claim.id}/withdraw" in page
    assert "A board in hand" in page
    asked = browser.get(f"/claims/{claim.id}/withdraw")
    assert "94 GB" in read(asked)
    assert browser.post(f"/claims/{claim.id}/withdraw", {"reason": "Another board."}).status_code == 302

    assert Withdrawal.objects.get().reason == "Another board."
    page = read(browse_as_stranger().get("/accelerators/h100-sxm5"))
    assert "Claimed no more" in page
    assert "Another board." in page
    assert "ended already" in read(browser.get(f"/claims/{claim.id}/withdraw"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"value": "94 GB"}, "Write a number above 0"),
        ({"source_url": "javascript:alert(1)"}, "begins with https"),
        ({"source_title": ""}, "required"),
        ({"property": "release_year", "value": "24"}, "Write a year"),
    ],
)
def test_a_form_that_is_wrong_says_where_and_adds_nothing(wrong, says):
    answer = browse_as(found_operator(now=utc_now())).post("/accelerators/h100-sxm5/claims", {**FORM, **wrong})

    assert answer.status_code == 422
    assert says in read(answer)
    assert not AddedClaim.objects.exists()


def test_the_same_form_sent_twice_adds_one_claim():
    browser = browse_as(found_operator(now=utc_now()))
    browser.post("/accelerators/h100-sxm5/claims", FORM)

    assert browser.post("/accelerators/h100-sxm5/claims", FORM).status_code == 409
    assert AddedClaim.objects.count() == 1


def test_pages_speak_chinese():
    client = browse_as_stranger()
    client.cookies["language"] = "zh-hans"

    assert "来源" in read(client.get("/accelerators/h100-sxm5"))
