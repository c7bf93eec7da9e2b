"""Who holds how much of an organisation through others, and whether two organisations are related."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from lilong.common.money import PPM

CHAIN_MAX = 10
"""How many shares in a row are followed; what lies beyond a ring or a longer chain is too small to matter."""

WHOLE = Fraction(1)
_NOT_IN_NUMBERS = re.compile(r"[\W_]+")


class HolderKind(StrEnum):
    """What a holder is: an organisation of the hub, a person of the hub, or anybody outside, by a register's number."""

    ORGANISATION = "organisation"
    PERSON = "person"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Share:
    """One holder's direct part of an organisation, in parts per million. Holders are texts; equal ones are the same."""

    holder: str
    held: str
    share_ppm: int


@dataclass(frozen=True, slots=True)
class RelatedRule:
    """The published rule: from which part on organisations are related."""

    name: str
    version: str
    sha256: str
    threshold_ppm: int


@dataclass(frozen=True, slots=True)
class Relation:
    """Why two organisations are related: the holder, which may be one of them, and its parts, rounded down."""

    holder: str
    first_ppm: int
    second_ppm: int


def name_outsider(*, registration_number: str) -> str:
    """Return the text by which a holder outside of the hub is known, however its number is written.

    >>> name_outsider(registration_number="HRB 12-34 b") == name_outsider(registration_number="hrb1234B")
    True
    """
    return f"outside:{_NOT_IN_NUMBERS.sub('', registration_number).casefold()}"


def find_holders(*, organisation: str, shares: Iterable[Share]) -> dict[str, Fraction]:
    """Return which part of an organisation each holder has, directly and through others; itself it has whole.

    Parts of parts multiply, and the ways to one holder add up. What an organisation holds of itself through a ring
    counts for nobody. A part is at most the whole, whatever was declared twice. Cost: linear in shares times CHAIN_MAX.

    >>> chain = [Share("a", "b", 500_000), Share("b", "c", 500_000)]
    >>> find_holders(organisation="c", shares=chain)["a"]
    Fraction(1, 4)
    """
    by_held: defaultdict[str, list[Share]] = defaultdict(list)
    for share in shares:
        by_held[share.held].append(share)
    total: defaultdict[str, Fraction] = defaultdict(Fraction)
    frontier: Mapping[str, Fraction] = {organisation: WHOLE}
    for _ in range(CHAIN_MAX):
        beyond: defaultdict[str, Fraction] = defaultdict(Fraction)
        for held, part in frontier.items():
            for share in by_held[held]:
                if share.holder != organisation:
                    beyond[share.holder] += part * Fraction(share.share_ppm, PPM)
        for holder, part in beyond.items():
            total[holder] += part
        frontier = beyond
    return {holder: min(part, WHOLE) for holder, part in total.items()} | {organisation: WHOLE}


def find_relation(*, first: str, second: str, shares: Iterable[Share], threshold_ppm: int) -> Relation | None:
    """Return why two organisations are related, or None: someone, one of them included, holds enough of both.

    The holder with the largest part of what it holds less of is named.

    >>> find_relation(first="a", second="b", shares=[Share("a", "b", 250_000)], threshold_ppm=250_000)
    Relation(holder='a', first_ppm=1000000, second_ppm=250000)
    """
    known = list(shares)
    of_first = find_holders(organisation=first, shares=known)
    of_second = find_holders(organisation=second, shares=known)
    least = Fraction(threshold_ppm, PPM)
    common = [each for each in of_first.keys() & of_second.keys() if min(of_first[each], of_second[each]) >= least]
    if not common:
        return None
    holder = min(common, key=lambda each: (-min(of_first[each], of_second[each]), each))
    return Relation(holder=holder, first_ppm=int(of_first[holder] * PPM), second_ppm=int(of_second[holder] * PPM))
