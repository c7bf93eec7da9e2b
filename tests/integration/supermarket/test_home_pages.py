import re
from datetime import timedelta

import pytest

from lilong.common.time import utc_now
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.ledger.services.periods import close_period
from lilong.foundation.members.public import OrganisationState
from lilong.platforms.supermarket.reactions import reconcile
from tests.actors import make_operator
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, wallet_of
from tests.people import NOW, act, found_organisation
from tests.pools import at, make_spec
from tests.programmes import give_voucher
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db

ROW = re.compile(r"<tr>(.*?)</tr>", re.DOTALL)


def read(client, path):
    response = client.get(path)
    assert response.status_code == 200, response.content
    return response.content.decode()


def read_rows(page):
    """Return the texts of the cells of each row that has any."""
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in ROW.findall(page)]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in rows]


@pytest.fixture
def stall():
    return open_stall()


@pytest.fixture
def buyer(stall):
    return found_buyer(wallet_uc=100 * CREDIT)


def test_a_newcomer_is_told_the_next_steps(buyer):
    page = read(browse_as(buyer), "/home")

    assert "Go to the shelf" in page
    assert "lilong login http" in page
    assert "100.00" in page


def test_home_says_where_an_application_stands_until_something_was_ordered(buyer, stall):
    applied = act(found_organisation(state=OrganisationState.APPLIED).token.secret)
    waiting = read(browse_as(applied), "/home")
    admitted = read(browse_as(buyer), "/home")
    buy(buyer, seconds=1)

    assert "has applied and cannot order yet" in waiting
    assert 'hx-trigger="every 3s"' in waiting
    assert "is admitted" in admitted
    assert 'hx-trigger="every 3s"' not in admitted
    assert "is admitted" not in read(browse_as(buyer), "/home")


def test_the_wallet_opens_at_the_first_account_that_holds_something(stall):
    newcomer = found_buyer(wallet_uc=0)
    give_voucher(newcomer.organisation_id, amount_uc=CREDIT, name="starter")

    page = read(browse_as(newcomer), f"/wallet?month={NOW:%Y-%m}")

    assert "<strong>Voucher</strong>" in page
    assert "Voucher issued" in page


def test_home_shows_money_vouchers_what_runs_and_what_came_last(buyer, stall, monkeypatch):
    monkeypatch.setattr("lilong.platforms.supermarket.pages.home.utc_now", lambda: at(130))
    give_voucher(buyer.organisation_id, amount_uc=CREDIT, name="First steps")
    done = buy(buyer, spec=make_spec(name="done"))
    finish(stall.agent, ms=60_000)
    reconcile(now=at(120))
    live = buy(buyer, spec=make_spec(name="live", walltime_s=36_000), seconds=121)

    rows = {row[0]: row[1:] for row in read_rows(read(browse_as(buyer), "/home"))}

    assert rows["First steps"][:2] == ["30%", "8.00"]
    assert rows["live"][1:3] == ["0.00", "9.00"]
    assert rows["done"][:3] == ["Succeeded", "0.015", "0.135"]
    assert f"/orders/{live.id}" in read(browse_as(buyer), "/home")
    assert done.id in read(browse_as(buyer), "/home")


def test_home_asks_few_questions_however_much_runs(buyer, stall, django_assert_max_num_queries):
    for name in "abc":
        give_voucher(buyer.organisation_id, amount_uc=CREDIT, name=name)
        buy(buyer)
    finish(stall.agent, ms=1000)
    reconcile(now=at(60))
    client = browse_as(buyer)

    with django_assert_max_num_queries(12):
        read(client, "/home")


def test_a_statement_shows_after_each_movement_what_could_be_spent(buyer, stall):
    order = buy(buyer, seconds=1)
    finish(stall.agent, ms=60_000, seconds=2)
    reconcile(now=at(120))

    page = read(browse_as(buyer), f"/wallet?month={NOW:%Y-%m}")

    moves = [row[1:] for row in read_rows(page) if len(row) == 5 and row[0] != "When"]
    assert [[row[0], *row[2:]] for row in moves] == [
        ["Settled; the rest given back", "+0.135", "99.985"],
        ["Held for an order", "-0.15", "99.85"],
        ["Earned", "+100.00", "100.00"],
    ]
    assert f'<a href="/orders/{order.id}">' in page
    assert get_balances(account_ids=[wallet_of(buyer)])[wallet_of(buyer)].available_uc == 99_985_000


def test_pages_of_a_statement_add_up_where_they_meet(buyer, stall, monkeypatch):
    monkeypatch.setattr("lilong.foundation.ledger.pages.statements.LINES_SHOWN", 1)
    for _ in range(2):
        buy(buyer, seconds=1)  # in the same moment
    client = browse_as(buyer)
    place, lines = f"/wallet?month={NOW:%Y-%m}", []
    while place:
        page = read(client, place)
        lines += [row[3:] for row in read_rows(page) if len(row) == 5 and row[0] != "When"]
        following = re.search(r'href="([^"]*cursor=[^"]+)"', page)
        place = "/wallet" + following[1].replace("&amp;", "&") if following else ""

    assert lines == [["-0.15", "99.70"], ["-0.15", "99.85"], ["+100.00", "100.00"]]


def test_other_months_are_a_link_away_and_say_when_nothing_moved(buyer):
    client = browse_as(buyer)

    page = read(client, "/wallet?month=2025-12")

    assert "Nothing moved in this month." in page
    assert "month=2025-11" in page
    assert "month=2026-01" in page
    assert "Nothing moved" in read(client, "/wallet?month=nonsense")


def test_a_statement_asks_few_questions(buyer, stall, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("lilong.foundation.ledger.pages.statements.LINES_SHOWN", 2)
    for seconds in (1, 1, 1, 2):
        buy(buyer, seconds=seconds)
    client = browse_as(buyer)
    with django_assert_max_num_queries(12):
        page = read(client, f"/wallet?month={NOW:%Y-%m}")
    [following] = re.findall(r'href="([^"]*cursor=[^"]+)"', page)

    with django_assert_max_num_queries(12):
        read(client, "/wallet" + following.replace("&amp;", "&"))


def test_a_statement_of_closed_books_asks_few_questions_and_says_the_same(buyer, stall, django_assert_max_num_queries):
    buy(buyer, seconds=1)
    client, path = browse_as(buyer), f"/wallet?month={NOW:%Y-%m}"
    before = read_rows(read(client, path))
    for ends_at in (NOW, NOW + timedelta(hours=1)):
        close_period(actor=make_operator(), ends_at=ends_at, now=utc_now())

    with django_assert_max_num_queries(12):
        assert read_rows(read(client, path)) == before


@pytest.mark.parametrize("path", ["/home", "/wallet", "/shelf", "/orders"])
def test_the_header_says_for_whom_the_page_is(buyer, path):
    header = read(browse_as(buyer), path).split("</header>")[0]

    assert re.search(r"Owner \d+", header)
    assert "Sign in" not in header


def test_another_organisations_account_is_not_there_and_a_stranger_signs_in_first(buyer):
    other = browse_as(found_buyer())

    assert other.get(f"/wallet?account={wallet_of(buyer)}").status_code == 404
    for path in ("/home", "/wallet"):
        assert browse_as_stranger().get(path).headers["Location"] == f"/account/login/?next={path}"


def test_earnings_of_a_provider_have_statements_too(buyer, stall):
    buy(buyer)
    finish(stall.agent, ms=60_000)
    reconcile(now=at(120))

    page = read(browse_as(stall.owner), "/wallet")

    assert "Earnings, accruing" in page
    assert AccountKind.ORDER_ESCROW not in page
