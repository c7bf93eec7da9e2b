import re
from datetime import timedelta
from uuid import uuid4

import pytest

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.platforms.supermarket.models import Offer, PriceRow, Provider
from lilong.platforms.supermarket.pages.selling import PRICES_SHOWN
from tests.market import CREDIT, found_buyer, open_stall, set_price
from tests.people import found_operator, join
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """Let the market's moment be now, for pages look at the clock."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, now)


@pytest.fixture
def seller():
    return open_stall(now=utc_now())


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def offer_of(seller, **fields):
    return {
        "key": uuid4().hex,
        "name": "Night hall",
        "pool": seller.agent.pool_id,
        "accelerator": "h100-sxm5",
        "cores": "16",
        "memory_gib": "64.5",
        **fields,
    }


def price_of(**fields):
    return {"key": uuid4().hex, "price": "0.25", "source": "Tender 7", **fields}


def test_an_offer_is_made_and_is_bought_for_once_it_has_a_price(seller, django_assert_max_num_queries):
    client = browse_as(seller.owner)
    made = client.post("/provider/offers/new", offer_of(seller))
    with django_assert_max_num_queries(12):
        page = read(client.get(made["Location"]))
    assert "No price: cannot be bought" in page

    priced = client.post(made["Location"], price_of())
    page = read(client.get(priced["Location"]))

    offer = Offer.objects.get(name="Night hall")
    row = PriceRow.objects.get(offer=offer)
    assert (offer.accelerator, offer.cores_per_unit, offer.memory_mib_per_unit) == ("h100-sxm5", 16, 66_048)
    assert (row.price_uc, row.source, row.valid_until) == (CREDIT // 4, "Tender 7", None)
    assert "In force" in page
    assert "Night hall" in read(browse_as(found_buyer(now=utc_now())).get("/shelf"))


def test_a_form_that_is_sent_twice_makes_one_offer_and_one_price(seller):
    client = browse_as(seller.owner)
    offer, price = offer_of(seller), price_of()
    for _ in range(2):
        client.post("/provider/offers/new", offer)
    path = f"/provider/offers/{Offer.objects.get(name='Night hall').id}"
    for _ in range(2):
        client.post(path, price)

    assert PriceRow.objects.filter(offer__name="Night hall").count() == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"accelerator": "", "cores": "2"}, "An offer by the core has one core with each unit."),
        ({"memory_gib": "0"}, "greater than or equal to 0.25"),
        ({"pool": "pool_other"}, "Select a valid choice"),
        ({"accelerator": "h900"}, "Select a valid choice"),
        ({"name": " "}, "This field is required"),
    ],
)
def test_a_wrong_offer_is_refused_beside_its_field(seller, fields, said):
    answer = browse_as(seller.owner).post("/provider/offers/new", offer_of(seller, **fields))

    assert answer.status_code == 422
    assert said in read(answer)
    assert not Offer.objects.filter(name="Night hall").exists()


def say(moment):
    return moment.strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"price": "0"}, "greater than or equal to 0.000001"),
        ({"price": "0.0000001"}, "no more than 6 decimal places"),
        ({"source": ""}, "This field is required"),
        ({"valid_from": "2020-01-01T00:00"}, "This is over."),
        ({"valid_until": "2020-01-01T00:00"}, "The end has to be after the begin."),
    ],
)
def test_a_wrong_price_is_refused_beside_its_field(seller, fields, said):
    answer = browse_as(seller.owner).post(f"/provider/offers/{seller.offer_id}", price_of(**fields))

    assert answer.status_code == 422
    assert said in read(answer)
    assert PriceRow.objects.filter(offer=seller.offer_id).count() == 1


def test_a_sale_to_come_is_shown_as_such(seller):
    client, now = browse_as(seller.owner), utc_now()
    path = f"/provider/offers/{seller.offer_id}"
    begin, end = now + timedelta(days=1), now + timedelta(days=2)
    client.post(path, price_of(price="0.000001", valid_from=say(begin), valid_until=say(end)))

    assert "0.000001 0.000003 To come" in read(client.get(path))


def test_a_withdrawn_offer_takes_no_price(seller):
    client = browse_as(seller.owner)
    path = f"/provider/offers/{seller.offer_id}"
    for _ in range(2):
        assert client.post(f"{path}/withdraw").status_code == 302

    page = read(client.get(path))
    assert "Withdrawn" in page
    assert "Enter the price" not in page
    assert client.post(path, price_of()).status_code == 409


def test_who_may_not_sell_reads_the_prices_and_is_told_who_may(seller):
    client = browse_as(join(seller.owner, Role.VIEWER, now=utc_now()))

    assert "Enter the price" not in read(client.get(f"/provider/offers/{seller.offer_id}"))
    assert "Owners and admins of the organisation make offers." in read(client.get("/provider/offers/new"))
    assert "New offer" not in read(client.get("/provider"))


def test_prices_beyond_a_page_are_turned_to(seller):
    for price_uc in range(1, PRICES_SHOWN + 2):
        set_price(seller.owner, seller.offer_id, price_uc, now=utc_now())
    client = browse_as(seller.owner)
    first = client.get(f"/provider/offers/{seller.offer_id}").content.decode()
    (cursor,) = re.findall(r'href="\?cursor=([^"]+)"', first)

    assert "0.000001" in read(client.get(f"/provider/offers/{seller.offer_id}?cursor={cursor}"))


def test_an_operator_registers_a_provider_once(django_assert_max_num_queries):
    operator = browse_as(found_operator(now=utc_now()))
    organisation_id = found_buyer(now=utc_now()).organisation_id
    form = {"organisation_id": organisation_id, "fee": "2.5"}
    assert operator.post("/desk/providers", form).status_code == 302
    assert operator.post("/desk/providers", form).status_code == 409

    assert Provider.objects.get().fee_ppm == 25_000
    with django_assert_max_num_queries(12):
        assert "2.5%" in read(operator.get("/desk/providers"))


def test_an_organisation_that_is_not_there_is_refused_as_a_provider():
    answer = browse_as(found_operator(now=utc_now())).post("/desk/providers", {"organisation_id": "org_x", "fee": "1"})

    assert answer.status_code == 422
    assert "It must be an organisation that is admitted." in read(answer)
