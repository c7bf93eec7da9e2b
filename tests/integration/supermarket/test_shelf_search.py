from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction

from lilong.common.errors import NotFound
from lilong.common.paging import CursorInvalid
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.public import get_pools
from lilong.foundation.runs.services.pools import announce_maintenance, set_draining
from lilong.platforms.supermarket.core.pricing import HOUR_MS, Shape, Unit, price_time
from lilong.platforms.supermarket.core.reputation import Share
from lilong.platforms.supermarket.core.search.language import SearchInvalid, parse
from lilong.platforms.supermarket.core.search.stock import Lot
from lilong.platforms.supermarket.models import Offer, PriceRow, ShelfEdition
from lilong.platforms.supermarket.queries import search as reads
from lilong.platforms.supermarket.queries.reputation import read_reputations
from lilong.platforms.supermarket.queries.search import (
    ComparisonInvalid,
    ShelfOffer,
    SortUnknown,
    compare_offers,
    search_shelf,
)
from lilong.platforms.supermarket.queries.shelf_index import ShelfReader, count_pool
from lilong.platforms.supermarket.services.shelf import create_offer, turn_reckoning, withdraw_offer
from tests.counting import note_share
from tests.market import CREDIT, found_buyer, open_stall, set_price
from tests.people import NOW
from tests.pools import at, make_node
from tests.programmes import give_voucher
from tests.searching import finds

pytestmark = pytest.mark.django_db

CARDS = ("h100-sxm5", "ascend-910b", "mi300x")
SEARCHES = (
    "",
    "accelerator = h100 price < 3",
    "accelerator in (h100, 910b) free >= 2 or unit = core",
    "price <= 1.5 not start = unknown",
    "vendor != nvidia memory >= 4GiB",
    "jurisdiction = cn gang > 2",
    "name ~ lot1 cores = 2",
    "level = gold",
    "ended_well >= 80% track_record != too_few",
)


@pytest.fixture(autouse=True)
def reader(monkeypatch):
    """Let this test's process keep a shelf of its own, which looks at pools each time."""
    fresh = ShelfReader(stock_age=timedelta(0))
    monkeypatch.setattr(reads, "SHELF", fresh)
    return fresh


def look(text="", *, buyer=None, sort="price", cursor=None, limit=200, now=NOW):
    organisation_id = buyer.organisation_id if buyer else "org_none"
    return search_shelf(organisation_id=organisation_id, text=text, sort=sort, cursor=cursor, limit=limit, now=now)


def list_plainly(*, now):
    """Return every offer on the shelf by plain queries, for who has no voucher."""
    offers = Offer.objects.on_shelf().select_related("provider", "service_level")
    prices = {row.offer_id: row for row in PriceRow.objects.in_force(now=now)}
    pools = get_pools(pool_ids=[offer.pool_id for offer in offers], now=now)
    names = name_organisations(organisation_ids=[offer.provider.organisation_id for offer in offers])
    reputations = read_reputations()
    for offer in offers:
        price = prices.get(offer.id)
        hour_uc = price_time(price_uc=price.price_uc, units=1, duration_ms=HOUR_MS) if price else None
        lot = Lot(offer.pool_id, offer.accelerator, offer.shape)
        stock = count_pool(pool=pools[offer.pool_id], lots=[lot], now=now)[lot]
        yield ShelfOffer(
            id=offer.id,
            pool_id=offer.pool_id,
            name=offer.name,
            provider=names[offer.provider.organisation_id],
            unit=Unit(offer.unit),
            accelerator=offer.accelerator,
            cores_per_unit=offer.cores_per_unit,
            memory_mib_per_unit=offer.memory_mib_per_unit,
            service_level=offer.service_level.name if offer.service_level else "",
            hour_uc=hour_uc,
            net_uc=hour_uc,
            price_until=price.valid_until if price else None,
            total=stock.total,
            free=stock.free,
            gang_nodes=stock.gang.nodes if stock.gang else None,
            gang_units_per_node=stock.gang.units_per_node if stock.gang else None,
            starts=stock.start,
            wait=None,
            results={},
            reputation=reputations.get(offer.pool_id, {}),
        )


def compare_with_plain_queries(*, now):
    look(now=now)
    plain = list(list_plainly(now=now))
    for text in SEARCHES:
        expected = [offer for offer in plain if finds(parse(text), offer)]
        expected.sort(key=lambda offer: (offer.hour_uc is None, offer.hour_uc or 0, offer.id))
        assert list(look(text, now=now).items) == expected, text


def put_up(stall, random, *, name, now):
    card = random.choice((None, *CARDS))
    shape = Shape(unit=Unit.ACCELERATOR, cores=2, memory_mib=random.choice((2048, 4096)))
    return create_offer(
        actor=stall.owner,
        provider_id=stall.provider_id,
        pool_id=stall.agent.pool_id,
        name=name,
        accelerator=card,
        shape=shape if card else replace(shape, unit=Unit.CORE, cores=1),
        service_level_id=None,
        now=now,
    )


def change(stalls, random, *, number, now):
    """Let something happen to the shelf, as providers make it happen."""
    stall = random.choice(stalls)
    mine = Offer.objects.on_shelf().filter(provider=stall.provider_id).order_by("id")
    offer_id = random.choice([offer.id for offer in mine] or [""])
    match random.randrange(8) if offer_id else 0:
        case 0 | 1:
            put_up(stall, random, name=f"lot{number}", now=now)
        case 2:
            withdraw_offer(actor=stall.owner, offer_id=offer_id, now=now)
        case 3:
            ends = now + timedelta(seconds=random.randrange(20, 900))
            set_price(stall.owner, offer_id, random.randrange(1, 10**6), now=now, until=ends)
        case 4 | 5:
            later = now + timedelta(seconds=random.choice((0, 0, 200)))
            PriceRow.objects.filter(id=set_price(stall.owner, offer_id, random.randrange(1, 10**6), now=now)).update(
                valid_from=later
            )
        case 6:
            known = {"provider_id": stall.provider_id, "pool_id": stall.agent.pool_id, "share": Share.ENDED_WELL}
            note_share(**known, kept=random.randrange(60), count=60, now=now)
            turn_reckoning()
        case _:
            nodes = [
                make_node(name=f"n{i}", cores=random.randrange(9), h100_sxm5=random.randrange(5)) for i in range(3)
            ]
            stall.agent.nodes = tuple(nodes)
            stall.agent.sync(seconds=(now - NOW).total_seconds())


@pytest.mark.parametrize("seed", range(4))
def test_the_index_finds_what_plain_queries_find_however_the_shelf_and_the_time_change(seed):
    random = Random(seed)
    stalls = [
        open_stall(
            name=f"s{number}", credit_ppm=number * 100_000, accelerator=card, nodes=[make_node(h100_sxm5=2, mi300x=1)]
        )
        for number, card in enumerate((None, *CARDS))
    ]
    now = NOW
    for step in range(12):
        for number in range(random.randrange(3)):
            change(stalls, random, number=step * 10 + number, now=now)
        compare_with_plain_queries(now=now)
        now += timedelta(seconds=random.choice((0.001, 1, 30, 300)))
    compare_with_plain_queries(now=now + timedelta(days=2))


def test_a_sale_begins_and_ends_by_itself():
    stall = open_stall(price_uc=100_000)
    set_price(stall.owner, stall.offer_id, 50_000, now=at(10), until=at(20))

    prices = [look(now=at(seconds)).items[0].hour_uc for seconds in (9, 10, 19, 20)]

    assert prices == [360_000, 180_000, 180_000, 360_000]


def test_a_quiet_shelf_is_looked_at_with_three_queries(django_assert_max_num_queries, monkeypatch):
    monkeypatch.setattr(reads, "SHELF", ShelfReader())
    open_stall()
    buyer = found_buyer()
    look(buyer=buyer)

    with django_assert_max_num_queries(3):
        assert look(buyer=buyer).total == 1


def test_reports_of_pools_are_looked_at_again_once_they_are_a_second_old(monkeypatch):
    monkeypatch.setattr(reads, "SHELF", ShelfReader())
    stall = open_stall()
    look(now=at(0))
    stall.agent.nodes = (make_node(cores=2),)
    stall.agent.sync(seconds=0.5)

    assert [look(now=at(seconds)).items[0].free for seconds in (0.5, 1)] == [4, 2]


def test_pools_are_looked_at_one_soon_after_the_other_and_each_within_a_second(monkeypatch):
    monkeypatch.setattr(reads, "SHELF", ShelfReader())
    stalls = [open_stall(name=name) for name in "ab"]
    look(now=at(0))
    for stall in stalls:
        stall.agent.nodes = (make_node(cores=2),)
        stall.agent.sync(seconds=0.2)

    free = [sorted(offer.free for offer in look(now=at(seconds)).items) for seconds in (0.4, 0.6, 1)]

    assert free == [[4, 4], [2, 4], [2, 2]]


@pytest.mark.parametrize(("silent_s", "free", "starts"), [(1, 4, "now"), (31, None, "unknown")])
def test_nothing_is_known_of_a_pool_that_is_silent(silent_s, free, starts):
    open_stall()
    look()

    offer = look(now=at(silent_s)).items[0]

    assert (offer.free, offer.starts) == (free, starts)


def test_a_pool_that_drains_has_nothing_free():
    stall = open_stall()
    look()
    set_draining(actor=stall.owner, pool_id=stall.agent.pool_id, draining_at=NOW)

    assert [(offer.total, offer.free, offer.gang_units, offer.starts) for offer in look().items] == [
        (4, 0, 0, "unknown")
    ]


def test_maintenance_that_an_hour_would_reach_into_is_waited_for():
    stall = open_stall()
    window = Maintenance(starts_at=at(4000), ends_at=at(5000), reason="")
    announce_maintenance(actor=stall.owner, pool_id=stall.agent.pool_id, window=window, now=NOW)

    assert look(now=at(0)).items[0].starts == "now"
    stall.agent.sync(seconds=1000)
    assert look(now=at(1000)).items[0].starts == "after_maintenance"


def test_vouchers_are_netted_for_who_looks():
    open_stall()
    buyer = found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=CREDIT)

    assert look(buyer=buyer).items[0].net_uc == 600_000  # of each credit the first 0.3 are the voucher's
    assert look().items[0].net_uc == 900_000


def test_another_shelf_is_read_from_its_beginning(reader):
    open_stall()
    with reader.read(now=NOW) as index:
        first = index
    ShelfEdition.objects.update(id="edn_another")

    with reader.read(now=NOW) as index:
        assert index is not first


def test_an_edition_that_went_back_is_read_from_its_beginning(reader):
    stall = open_stall()
    with transaction.atomic():
        create = put_up(stall, Random(1), name="undone", now=NOW)
        assert look().total == 2
        transaction.set_rollback(True)

    assert create not in {offer.id for offer in look().items}


def test_a_reader_that_failed_half_way_begins_anew(reader, monkeypatch):
    stall = open_stall()
    look()
    put_up(stall, Random(1), name="second", now=NOW)
    with monkeypatch.context() as broken:
        broken.setattr(reader, "_name_sellers", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look()

    assert look().total == 2


@pytest.mark.parametrize("sort", ["price", "-price", "memory", "-free", "gang", "-cores"])
def test_pages_follow_each_other_without_gap_or_repetition(sort):
    stall = open_stall(nodes=[make_node(h100_sxm5=2)])
    for number in range(8):
        offer_id = put_up(stall, Random(number), name=f"lot{number}", now=NOW)
        if number % 3:
            set_price(stall.owner, offer_id, 1000 * (number % 3))
    whole = look(sort=sort)

    ids, cursor = [], None
    while True:
        page = look(sort=sort, cursor=cursor, limit=2)
        ids += [offer.id for offer in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert ids == [offer.id for offer in whole.items]
    assert len(set(ids)) == page.total == 9


@pytest.mark.parametrize(
    "cursor", ["MQ", "cHJpY2Ugb2Zm", "LXByaWNlIDEgb2Zm", "cHJpY2UgeCBvZmY", "cHJpY2UgMSAyIG9mZg", "!"]
)
def test_a_cursor_of_another_list_is_refused(cursor):
    with pytest.raises(CursorInvalid):
        look(cursor=cursor)


def test_an_unknown_order_names_the_nearest():
    with pytest.raises(SortUnknown, match="Nearest: price"):
        look(sort="prize")


def test_a_provider_that_nobody_has_heard_of_is_refused():
    open_stall()

    with pytest.raises(SearchInvalid, match="Organisation"):
        look('provider = "Organisatoin"')


def test_offers_stand_side_by_side_in_the_order_asked_for():
    first, second = (open_stall(name=name).offer_id for name in "ab")

    compared = compare_offers(organisation_id="org_none", offer_ids=[second, first, second], now=NOW)

    assert [offer.id for offer in compared] == [second, first]
    with pytest.raises(NotFound):
        compare_offers(organisation_id="org_none", offer_ids=[first, "off_no"], now=NOW)
    with pytest.raises(ComparisonInvalid):
        compare_offers(organisation_id="org_none", offer_ids=["1", "2", "3", "4", "5"], now=NOW)
