import re
from datetime import timedelta
from html import unescape

import pytest

from lilong.common.time import utc_now
from lilong.platforms.supermarket.queries import shelf_index
from tests.market import ask, found_buyer, open_stall
from tests.pools import make_node, make_spec
from tests.programmes import CREDIT, give_voucher
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """Let the market's moment be now, for pages look at the clock."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW", "tests.programmes.NOW"):
        monkeypatch.setattr(place, now)
    return now


@pytest.fixture
def stalls(today):
    """Sell cores, two kinds of accelerators, and one kind cheaper than the other."""
    h100 = [make_node(name=f"n{number}", cores=16, memory_mib=65_536, h100_sxm5=8) for number in range(2)]
    mi300x = [make_node(name="n0", cores=16, memory_mib=65_536, mi300x=4)]
    return {
        "cores": open_stall(name="cores", now=today),
        "h100": open_stall(name="h100", accelerator="h100-sxm5", nodes=h100, price_uc=1_000_000, now=today),
        "mi300x": open_stall(name="mi300x", accelerator="mi300x", nodes=mi300x, price_uc=690_000, now=today),
    }


@pytest.fixture
def buyer(stalls, today):
    return found_buyer(now=today)


@pytest.fixture
def browser(buyer):
    return browse_as(buyer)


def read(response):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def follow(browser, page, label):
    """Open the link with this text."""
    links = {
        " ".join(re.sub(r"<[^>]+>", " ", text).split()): unescape(address)
        for address, text in re.findall(r'<a[^>]* href="([^"]*)"[^>]*>(.*?)</a>', page.content.decode(), re.DOTALL)
    }
    return browser.get(f"/shelf{links[label]}")


def test_a_search_is_narrowed_by_a_facet_and_widened_again(browser):
    page = browser.get("/shelf", {"q": "price < 4"})
    assert "3 offers found" in read(page)

    narrowed = follow(browser, page, "AMD 1")
    assert "1 offer found" in read(narrowed)
    assert 'value="price &lt; 4.00 vendor = AMD"' in narrowed.content.decode()
    assert "3 offers found" in read(follow(browser, narrowed, "AMD 1"))


def test_a_column_sorts_and_turns_round(browser):
    def prices(page):
        return re.findall(r'<td class="number">(\d+\.\d+)', page.content.decode())

    page = browser.get("/shelf")
    assert prices(page) == ["0.90", "2.484", "3.60"]
    assert prices(follow(browser, page, "Credits an hour, each")) == ["3.60", "2.484", "0.90"]
    assert prices(follow(browser, page, "Largest job now")) == ["3.60", "2.484", "0.90"]


def test_the_largest_job_says_how_many_nodes_it_takes(browser):
    assert "at once, as it looks 16 2 × 8" in read(browser.get("/shelf", {"q": "accelerator = h100"}))


def test_a_mistake_is_marked_and_a_job_can_still_be_handed_in(browser):
    page = browser.get("/shelf", {"q": "price < 3 vendro = amd"})

    assert page.status_code == 422
    assert "<mark>vendro</mark> = amd" in page.content.decode()
    assert "Nearest: vendor." in read(page)
    assert "Ask for a quote" in read(page)


def test_what_finds_nothing_says_so_and_shows_the_way_back(browser):
    assert "No offer is like that. Show all offers" in read(browser.get("/shelf", {"q": "price < 0.1"}))


@pytest.mark.parametrize("asked", [{"sort": "colour"}, {"cursor": "MQ"}])
def test_an_address_that_nobody_made_is_refused(browser, asked):
    assert browser.get("/shelf", asked).status_code == 422


def test_a_long_shelf_goes_on_where_the_page_ended(browser, monkeypatch):
    monkeypatch.setattr("lilong.platforms.supermarket.pages.shelf.OFFERS_SHOWN", 2)
    page = browser.get("/shelf", {"q": "price > 0"})

    rest = follow(browser, page, "More offers")

    assert "h100" not in re.findall(r'name="offer".*?<th scope="row">(\S+)', page.content.decode(), re.DOTALL)
    assert re.findall(r'<th scope="row">(\S+)', rest.content.decode()) == ["h100"]


def test_vouchers_are_netted_on_the_shelf(buyer, today):
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT, now=today)

    assert '<td class="number strong">2.40</td>' in browse_as(buyer).get("/shelf").content.decode()


def test_offers_are_compared_with_the_least_marked(browser, stalls):
    ids = [stalls[name].offer_id for name in ("h100", "mi300x")]

    text = read(browser.get("/shelf/compare", {"offer": ids}))

    assert "After your vouchers 3.60 2.484 least" in text
    assert "Free 16 of 16 4 of 4" in text
    assert browser.get("/shelf/compare").status_code == 422
    assert browser.get("/shelf/compare", {"offer": ["off_1"]}).status_code == 404


def test_a_quote_names_what_is_cheaper_with_another_accelerator(buyer, django_assert_max_num_queries):
    view = ask(buyer, spec=make_spec(resources={"accelerator": "h100-sxm5", "accelerators": 4}))
    browser = browse_as(buyer)
    browser.get("/shelf")  # the first page of a process reads the whole shelf

    with django_assert_max_num_queries(12):
        text = read(browser.get(f"/quotes/{view.id}"))

    assert "4 × Instinct MI300X, Organisation" in text
    assert ": at once, as it looks, 31% cheaper an hour" in text


@pytest.mark.parametrize(("count", "named"), [(5, False), (4, True)])
def test_only_what_could_run_the_job_is_an_alternative(buyer, count, named):
    view = ask(buyer, spec=make_spec(resources={"accelerator": "h100-sxm5", "accelerators": count}))

    assert ("MI300X" in read(browse_as(buyer).get(f"/quotes/{view.id}"))) is named


def test_what_is_dearer_is_named_when_it_begins_sooner(stalls, buyer):
    busy = make_node(name="n0", cores=16, memory_mib=65_536, mi300x=4).model_copy(update={"cores_free": 0})
    stalls["mi300x"].agent.nodes = (busy,)
    stalls["mi300x"].agent.sync(seconds=0)
    view = ask(buyer, spec=make_spec(resources={"accelerator": "mi300x", "accelerators": 2}))

    assert "2 × H100-SXM5" in read(browse_as(buyer).get(f"/quotes/{view.id}"))
    assert "44% dearer an hour" in read(browse_as(buyer).get(f"/quotes/{view.id}"))


def test_a_job_on_cores_has_no_alternatives(buyer):
    assert "another accelerator" not in read(browse_as(buyer).get(f"/quotes/{ask(buyer).id}"))


def test_the_shelf_of_who_has_vouchers_costs_at_most_twelve_queries(
    buyer, browser, today, monkeypatch, django_assert_max_num_queries
):
    for name in "xyz":
        give_voucher(buyer.organisation_id, amount_uc=CREDIT, name=name, now=today)
    browser.get("/shelf")  # the first that a process shows reads the whole shelf
    monkeypatch.setattr(shelf_index.SHELF, "_stock_age", timedelta(0))  # pools are looked at again

    with django_assert_max_num_queries(12):
        assert "After your vouchers" in read(browser.get("/shelf"))
