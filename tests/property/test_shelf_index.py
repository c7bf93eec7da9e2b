from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lilong.platforms.supermarket.core.measuring.figures import SPEEDS, Measured
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.reputation import Share, Tally
from lilong.platforms.supermarket.core.search.columns import Numbers, list_slots
from lilong.platforms.supermarket.core.search.index import FACETS, SORTS, Index, Listed, Order
from lilong.platforms.supermarket.core.search.language import Op
from lilong.platforms.supermarket.core.search.stock import Gang, Lot, Stock
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.queries.search import view_offer
from tests.searching import ACCELERATORS, NUMBERS, OPS, PROVIDERS, WORDS, any_search, finds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
numbers = st.lists(st.none() | st.integers(0, 9) | st.integers(0, 2**40), max_size=40)


@given(numbers, st.sampled_from(sorted(OPS)), st.integers(0, 9) | st.integers(0, 2**45))
def test_a_column_compares_like_a_list(values, op, asked):
    column = Numbers()
    column.fill(values)

    expected = [slot for slot, value in enumerate(values) if value is not None and OPS[op](value, asked)]
    assert list(list_slots(column.compare(op, asked))) == expected


@given(numbers, numbers)
def test_a_column_that_was_changed_is_like_one_that_was_filled(before, after):
    values = [*after, *before[len(after) :]]
    changed, filled = Numbers(), Numbers()
    changed.fill(before)
    for slot, value in enumerate(after):
        changed.put(1 << slot, value)
    filled.fill(values)

    for asked in {value for value in values if value is not None}:
        assert changed.compare(Op.EQ, asked) == filled.compare(Op.EQ, asked)
    assert changed.known == filled.known


def make_results(speeds):
    return {
        metric: Measured(
            metric=metric,
            micro=micro,
            lowest=micro,
            highest=micro,
            count=5,
            drifted=False,
            measured_at=NOON,
            run_id="run",
        )
        for metric, micro in speeds.items()
    }


names = st.sampled_from(["a", "B", "c c", "大", "İ"])
lots = st.builds(
    Lot,
    pool_id=st.sampled_from(["pool_1", "pool_2"]),
    accelerator=st.sampled_from(("", *ACCELERATORS)),
    shape=st.builds(
        Shape, unit=st.sampled_from(Unit), cores=st.integers(1, 4), memory_mib=st.sampled_from([1, 1024, 65_536])
    ),
)
reputations = st.dictionaries(
    st.sampled_from(Share),
    st.integers(0, 400).flatmap(lambda count: st.builds(Tally, st.integers(0, count), st.just(count))),
)
offers = st.lists(
    st.builds(
        Listed,
        id=st.integers(0, 30).map(lambda number: f"off_{number:02}"),
        lot=lots,
        name=names,
        provider=st.sampled_from(PROVIDERS),
        level=st.sampled_from(["", "gold"]),
        hour_uc=st.none() | st.integers(0, 20),
        results=st.dictionaries(st.sampled_from([*SPEEDS.values()]), st.integers(0, 9)).map(make_results),
        reputation=reputations,
    ),
    max_size=30,
)
counts = st.none() | st.integers(0, 9)
stocks = st.builds(
    Stock,
    total=counts,
    free=counts,
    gang=st.none() | st.builds(Gang, nodes=st.integers(0, 3), units_per_node=st.integers(0, 4)),
    start=st.sampled_from(Starts),
)


def fill(first, then, dropped, stocked, reckoned):
    """Return an index that was filled, then changed, and the offers that it should hold."""
    index, held = Index(), {offer.id: offer for offer in first}
    index.fill(list(held.values()))
    for lot, stock in stocked[::2]:
        index.put_stock(lot, stock)
    reckon(index, held, reckoned[::2])
    for offer in then:
        index.put(offer)
        held[offer.id] = offer
    for offer_id in dropped:
        index.drop(offer_id)
        held.pop(offer_id, None)
    for lot, stock in stocked[1::2]:
        index.put_stock(lot, stock)
    reckon(index, held, reckoned[1::2])
    return index, held


def reckon(index, held, reckoned):
    """Give the pools what is known of them, one after the other."""
    for pool_id, reputation in reckoned:
        index.put_reputation(pool_id, reputation)
        for offer in [each for each in held.values() if each.lot.pool_id == pool_id]:
            held[offer.id] = replace(offer, reputation=reputation)


changes = st.tuples(
    offers,
    offers,
    st.lists(st.integers(0, 30).map(lambda number: f"off_{number:02}")),
    st.lists(st.tuples(lots, stocks), max_size=20),
    st.lists(st.tuples(st.sampled_from(["pool_1", "pool_2", "pool_3"]), reputations), max_size=4),
)
orders = st.builds(Order, by=st.sampled_from(SORTS), descending=st.booleans())


def rank(view, order):
    keys = []
    for name, down in ((order.by, order.descending), ("price", order.descending and order.by == "price")):
        value = NUMBERS[name](view)
        keys.append((value is None, 0 if value is None else -value if down else value))
    return keys, view.id


def walk(index, search, **asked):
    """Return the ids on all pages of a search."""
    page = index.search(search, after=None, **asked)
    ids = [offer.id for offer, _ in page.offers]
    while page.next_place:
        page = index.search(search, after=page.next_place, **asked)
        ids += [offer.id for offer, _ in page.offers]
    return ids


@given(changes, any_search(st.integers(0, 10)), orders, st.integers(1, 7))
def test_the_index_answers_like_a_look_at_every_offer(changes, search, order, limit):
    index, held = fill(*changes)
    stocked = changes[3]
    stock_of = dict((*stocked[::2], *stocked[1::2]))
    views = [
        view_offer(offer=offer, stock=stock_of.get(offer.lot, Stock()), net_uc=None, wait=None)
        for offer in held.values()
    ]
    expected = sorted((view for view in views if finds(search, view)), key=lambda view: rank(view, order))
    found = index.search(search, order=order, after=None, limit=limit)

    assert walk(index, search, order=order, limit=limit) == [view.id for view in expected]
    assert found.total == len(expected)
    for field in FACETS:
        assert found.facets[field] == Counter(WORDS[field](view) for view in expected)
