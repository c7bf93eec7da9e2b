from datetime import timedelta

import pytest

from lilong.common.errors import NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.foundation.members.public import OrganisationKind, OrganisationState
from lilong.foundation.record.models import Entry
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.queries.shelf import list_offers, list_prices, list_providers
from lilong.platforms.supermarket.services.shelf import (
    OfferWithdrawn,
    ProviderExists,
    ShelfInputInvalid,
    add_price,
    add_service_level,
    create_offer,
    register_provider,
    withdraw_offer,
)
from lilong.protocol.accelerators import AcceleratorUnknown
from tests.market import PRICE_UC, open_stall, set_price
from tests.people import NOW, found_operator, found_organisation, found_owner, join
from tests.pools import at

pytestmark = pytest.mark.django_db

CORE = Shape(unit=Unit.CORE, cores=1, memory_mib=4096)


def price_of(offer_id, *, now=NOW):
    offers = list_offers(now=now, accelerator=None, cursor=None, limit=50).items
    return next(offer.price_uc for offer in offers if offer.id == offer_id)


def put_up(seller, **fields):
    return create_offer(
        **{
            "actor": seller.owner,
            "provider_id": seller.provider_id,
            "pool_id": seller.agent.pool_id,
            "name": "another",
            "accelerator": None,
            "shape": CORE,
            "service_level_id": None,
            "now": NOW,
            **fields,
        }
    )


def test_the_shelf_shows_offers_with_the_price_in_force():
    seller = open_stall()
    set_price(seller.owner, seller.offer_id, 300_000, now=at(60))

    assert price_of(seller.offer_id) == PRICE_UC
    assert price_of(seller.offer_id, now=at(60)) == 300_000


def test_a_sale_goes_before_and_reverts_by_itself():
    seller = open_stall()
    set_price(seller.owner, seller.offer_id, 100_000, now=at(10), until=at(20))
    set_price(seller.owner, seller.offer_id, 400_000, now=at(15))

    prices = [price_of(seller.offer_id, now=at(second)) for second in (9, 10, 19, 20)]
    assert prices == [PRICE_UC, 100_000, 100_000, 400_000]


def test_price_rows_stay_and_each_is_recorded():
    seller = open_stall()
    set_price(seller.owner, seller.offer_id, 1, now=at(1))

    rows = list_prices(offer_id=seller.offer_id, cursor=None, limit=10).items
    assert [row.price_uc for row in rows] == [1, PRICE_UC]
    assert Entry.objects.filter(kind="supermarket.price_row", subject_id=seller.offer_id).count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"price_uc": 0},
        {"price_uc": 10**12 + 1},
        {"valid_from": NOW - timedelta(seconds=1)},
        {"valid_until": NOW},
        {"source": " "},
    ],
)
def test_a_price_that_is_missing_backdated_or_without_source_is_refused(fields):
    seller = open_stall()
    given = {"price_uc": 1, "valid_from": NOW, "valid_until": None, "source": "list", **fields}
    with pytest.raises(ShelfInputInvalid) as raised:
        add_price(actor=seller.owner, offer_id=seller.offer_id, now=NOW, **given)

    assert [field.path for field in raised.value.fields] == list(fields)


def test_a_withdrawn_offer_leaves_the_shelf_for_good():
    seller = open_stall()
    for _ in range(2):
        withdraw_offer(actor=seller.owner, offer_id=seller.offer_id, now=NOW)

    assert list_offers(now=NOW, accelerator=None, cursor=None, limit=50).items == []
    with pytest.raises(OfferWithdrawn):
        set_price(seller.owner, seller.offer_id, 1)


def test_an_offer_belongs_to_a_pool_of_its_provider():
    seller, other = open_stall(name="a"), open_stall(name="b")
    with pytest.raises(ShelfInputInvalid) as raised:
        put_up(seller, pool_id=other.agent.pool_id)

    assert [field.path for field in raised.value.fields] == ["pool_id"]


def test_a_service_level_belongs_to_its_provider():
    seller, other = open_stall(name="a"), open_stall(name="b")
    level = add_service_level(actor=other.owner, provider_id=other.provider_id, name="gold", credit_ppm=1, now=NOW)
    with pytest.raises(ShelfInputInvalid):
        put_up(seller, service_level_id=level)


def test_an_accelerator_is_known_by_any_of_its_names_and_an_unknown_one_is_refused_with_the_nearest():
    seller = open_stall()
    by_accelerator = Shape(unit=Unit.ACCELERATOR, cores=16, memory_mib=65536)
    offer_id = put_up(seller, accelerator="Ascend 910B", shape=by_accelerator)

    (offer,) = list_offers(now=NOW, accelerator="ascend-910b", cursor=None, limit=5).items
    assert (offer.id, offer.price_uc) == (offer_id, None)
    with pytest.raises(AcceleratorUnknown) as raised:
        put_up(seller, accelerator="Ascent 910b2", shape=by_accelerator)
    assert "ascend-910b" in raised.value.detail


@pytest.mark.parametrize(
    ("shape", "accelerator"),
    [
        (CORE, "h100-sxm5"),
        (Shape(unit=Unit.CORE, cores=2, memory_mib=1), None),
        (Shape(unit=Unit.ACCELERATOR, cores=2, memory_mib=1), None),
    ],
)
def test_a_unit_that_contradicts_its_offer_is_refused(shape, accelerator):
    with pytest.raises(ShelfInputInvalid):
        put_up(open_stall(), shape=shape, accelerator=accelerator)


def test_one_sells_for_ones_own_organisation_only_and_the_hub_for_all():
    seller, other = open_stall(name="a"), open_stall(name="b")
    with pytest.raises(NotFound):
        set_price(other.owner, seller.offer_id, 1)
    with pytest.raises(NotFound):
        put_up(seller, actor=found_owner())
    with pytest.raises(NotAllowed):
        put_up(seller, actor=join(seller.owner, Role.MEMBER))

    assert set_price(found_operator(), seller.offer_id, 1)
    with pytest.raises(NotFound):
        set_price(seller.owner, "off_none", 1)
    with pytest.raises(NotFound):
        put_up(seller, provider_id="prv_none")


def test_an_admitted_organisation_becomes_a_provider_once():
    operator = found_operator()
    made = found_organisation(kind=OrganisationKind.PROVIDER)
    register_provider(actor=operator, organisation_id=made.organisation_id, fee_ppm=0, now=NOW)
    with pytest.raises(ProviderExists):
        register_provider(actor=operator, organisation_id=made.organisation_id, fee_ppm=0, now=NOW)
    with pytest.raises(NotAllowed):
        register_provider(actor=found_owner(), organisation_id=made.organisation_id, fee_ppm=0, now=NOW)

    (view,) = list_providers(cursor=None, limit=5).items
    assert view.organisation_id == made.organisation_id


@pytest.mark.parametrize("fee_ppm", [-1, 1_000_001])
def test_a_provider_that_is_not_admitted_or_has_no_possible_fee_is_refused(fee_ppm):
    made = found_organisation(state=OrganisationState.APPLIED)
    with pytest.raises(ShelfInputInvalid) as raised:
        register_provider(actor=found_operator(), organisation_id=made.organisation_id, fee_ppm=fee_ppm, now=NOW)

    assert [field.path for field in raised.value.fields] == ["fee_ppm", "organisation_id"]
