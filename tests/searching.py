"""What tests of the shelf's search share: any search at all, and a second opinion on what it finds, offer by offer."""

import operator
from collections.abc import Callable

from hypothesis import strategies as st

from lilong.common.money import PPM
from lilong.platforms.supermarket.core.measuring.figures import SPEEDS, WORK_PRICES
from lilong.platforms.supermarket.core.reputation import BANDS, BELOW, TOO_FEW, Share, name_band
from lilong.platforms.supermarket.core.search.fields import FIELDS, NONE, UNITS, Kind
from lilong.platforms.supermarket.core.search.language import Comparison, Every, Not, OneOf, Op, Search, every, some
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.queries.search import ShelfOffer
from lilong.protocol.accelerators import list_accelerators

ACCELERATORS = tuple(row.id for row in list_accelerators()[:4])
PROVIDERS = ("Lane Cloud", "大云", 'a "quoted" \\ name', "or")
MAKERS = {row.id: (row.vendor, row.country) for row in list_accelerators()}


def _read_speed(metric: str) -> Callable[[ShelfOffer], int | None]:
    return lambda offer: offer.results[metric].micro if metric in offer.results else None


def _read_work_price(column: str) -> Callable[[ShelfOffer], int | None]:
    return lambda offer: offer.work_prices.get(column)


def _read_share(share: Share) -> Callable[[ShelfOffer], int | None]:
    return lambda offer: offer.reputation[share].lower_ppm if share in offer.reputation else None


NUMBERS: dict[str, Callable[[ShelfOffer], int | None]] = {
    "price": lambda offer: offer.hour_uc,
    "memory": lambda offer: offer.memory_mib_per_unit,
    "cores": lambda offer: offer.cores_per_unit,
    "free": lambda offer: offer.free,
    "gang": lambda offer: offer.gang_units,
    **{column: _read_speed(metric) for column, metric in SPEEDS.items()},
    **{column: _read_work_price(column) for column in WORK_PRICES},
    **{share.value: _read_share(share) for share in Share},
}
WORDS: dict[str, Callable[[ShelfOffer], str]] = {
    "unit": lambda offer: UNITS[offer.unit],
    "accelerator": lambda offer: offer.accelerator or NONE,
    "vendor": lambda offer: MAKERS.get(offer.accelerator, (NONE, NONE))[0],
    "jurisdiction": lambda offer: MAKERS.get(offer.accelerator, (NONE, NONE))[1],
    "start": lambda offer: offer.starts.value,
    "provider": lambda offer: offer.provider,
    "level": lambda offer: offer.service_level or NONE,
    "track_record": lambda offer: name_band(offer.reputation),
    "name": lambda offer: offer.name,
}
OPS = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
TEXTS = {
    "unit": st.sampled_from(sorted(UNITS.values())),
    "accelerator": st.sampled_from((*ACCELERATORS, NONE)),
    "vendor": st.sampled_from(sorted({row.vendor for row in list_accelerators()} | {NONE})),
    "jurisdiction": st.sampled_from(("CN", "US", NONE)),
    "start": st.sampled_from(sorted(Starts)),
    "provider": st.sampled_from(PROVIDERS),
    "level": st.sampled_from(("gold", "silver", NONE)),
    "track_record": st.sampled_from((*BANDS, BELOW, TOO_FEW)),
    "name": st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
        lambda text: text.isprintable() and text.strip()
    ),
}
AMOUNTS = st.integers(0, 20) | st.integers(0, 2**50)


def finds(search: Search, offer: ShelfOffer) -> bool:
    """Say whether a search finds an offer, by looking at that offer alone."""
    match search:
        case Every():
            return all(finds(part, offer) for part in search.parts)
        case Not():
            return not finds(search.inner, offer)
        case OneOf():
            return any(finds(Comparison(search.field, Op.EQ, value), offer) for value in search.values)
        case Comparison() if search.field in NUMBERS:
            number = NUMBERS[search.field](offer)
            return number is not None and OPS[search.op](number, search.value)
        case Comparison():
            word, asked = WORDS[search.field](offer).casefold(), str(search.value).casefold()
            return asked in word if search.op is Op.HAS else OPS[search.op](word, asked)
        case _:
            return any(finds(part, offer) for part in search.parts)


def _values(name: str, amounts: st.SearchStrategy[int]) -> st.SearchStrategy[int | str]:
    if FIELDS[name].kind is Kind.SHARE:
        return st.integers(0, PPM)
    return amounts if FIELDS[name].is_number else TEXTS[name]


def _comparisons(name: str, amounts: st.SearchStrategy[int]) -> st.SearchStrategy[Search]:
    ops = list(OPS) if FIELDS[name].is_number else [Op.EQ, Op.NE, Op.HAS]
    one = st.builds(Comparison, st.just(name), st.sampled_from(ops), _values(name, amounts))
    several = st.lists(_values(name, amounts), min_size=1, max_size=3, unique=True).map(tuple)
    return one | st.builds(OneOf, st.just(name), several)


def any_search(amounts: st.SearchStrategy[int] = AMOUNTS) -> st.SearchStrategy[Search]:
    """Return a strategy of searches in their one form."""
    leaves = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: _comparisons(name, amounts))
    return st.recursive(
        leaves,
        lambda inner: (
            inner.map(Not)
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: every(*parts))
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: some(*parts))
        ),
        max_leaves=6,
    )
