"""The wallet's page offers the month's files for accountants, to the organisation alone."""

from typing import Any

import pytest

from lilong.platforms.supermarket.reactions import reconcile
from lilong.web.config import CreditRate
from tests.market import buy, finish, found_buyer, open_stall
from tests.people import NOW
from tests.pools import at
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db(transaction=True)
MONTH = f"{NOW:%Y-%m}"
FOCUS, BOOKS = "/wallet/focus.csv", "/wallet/books.beancount"


@pytest.fixture
def buyer(settings):
    rate = CreditRate(currency="CNY", per_credit="0.97", valid_from=NOW, source="made up", is_example=True)
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (rate,)})
    seller, buyer = open_stall(), found_buyer()
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(120))
    return buyer


def download(client, path):
    answer: Any = client.get(path, {"month": MONTH})
    assert answer.status_code == 200, answer.content
    return answer


def test_both_files_are_a_click_away_and_the_same_in_every_language(buyer):
    client, chinese = browse_as(buyer), browse_as(buyer, language="zh-hans")
    page = client.get("/wallet", {"month": MONTH}).content.decode()

    for path, name, said in (
        (FOCUS, f"focus-{MONTH}.csv", b"0.01455"),
        (BOOKS, f"books-{MONTH}.beancount", b"0.015000 CREDIT"),
    ):
        assert f'href="{path}?month={MONTH}"' in page
        answer = download(client, path)
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert said in answer.content
        assert download(chinese, path).content == answer.content


def test_without_a_rate_there_is_no_link_and_the_address_says_why(buyer, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": ()})
    client = browse_as(buyer)

    assert FOCUS not in client.get("/wallet", {"month": MONTH}).content.decode()
    refused = client.get(FOCUS, {"month": MONTH})
    assert refused.status_code == 409
    assert "credit_rates" in refused.content.decode()


def test_another_organisation_gets_its_own_files_and_a_stranger_signs_in(buyer):
    other = browse_as(found_buyer(wallet_uc=0))

    assert download(other, FOCUS).content.count(b"\n") == 1
    assert b"Assets:" not in download(other, BOOKS).content
    assert {browse_as_stranger().get(path).status_code for path in (FOCUS, BOOKS)} == {302}
