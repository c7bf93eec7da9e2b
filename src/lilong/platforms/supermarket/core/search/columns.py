"""Columns of a table held as bits: each row has a slot, and a set of rows is one integer whose bits are slots.

Sets are combined by the operators of integers, so that a question about 100,000 rows touches 12 KiB a step. Numbers are
held bit by bit (P. O'Neil, D. Quass, "Improved query performance with variant indexes", SIGMOD 1997): a comparison
walks over the planes, and so does finding the smallest few, without any sorted order that changes would have to mend.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import compress

from lilong.platforms.supermarket.core.search.language import Op

Slots = int
"""A set of slots: bit n stands for slot n."""

_BITS = bytes.maketrans(b"01", b"\x00\x01")


def list_slots(slots: Slots) -> Iterator[int]:
    """Yield the slots of a set, rising.

    >>> list(list_slots(0b1101))
    [0, 2, 3]
    """
    chosen = f"{slots:b}"[::-1].encode().translate(_BITS)
    return compress(range(len(chosen)), chosen)


def take_out(slots: Slots, others: Slots) -> Slots:
    """Return the set without the others."""
    return slots ^ (slots & others)


class Numbers:
    """A column of integers from 0, some unknown. Cost of a comparison or a change: linear in planes."""

    def __init__(self) -> None:
        self.known: Slots = 0
        self._planes: list[Slots] = []  # the least significant first

    def fill(self, values: Sequence[int | None]) -> None:
        """Hold these values, slot by slot, in place of all that were held."""
        width = max((value for value in values if value is not None), default=0).bit_length()
        # The last slot first, as digits of a number are written; the stride then picks one plane.
        digits = "".join([f"{value or 0:0{width}b}" for value in reversed(values)]) if width else ""
        self._planes = [int(digits[place::width], 2) for place in reversed(range(width))]
        self.known = int("".join(["0" if value is None else "1" for value in reversed(values)]) or "0", 2)

    def put(self, slots: Slots, value: int | None) -> None:
        """Give all these slots one value; None: nobody knows it."""
        number = value or 0
        self._planes += [0] * (number.bit_length() - len(self._planes))
        self.known = take_out(self.known, slots) if value is None else self.known | slots
        for place, plane in enumerate(self._planes):
            if number >> place & 1:
                self._planes[place] = plane | slots
            elif plane & slots:
                self._planes[place] = take_out(plane, slots)

    def compare(self, op: Op, value: int) -> Slots:
        """Return the slots whose known value compares so."""
        below, equal = 0, self.known
        if value.bit_length() > len(self._planes):
            below, equal = equal, 0
        for place in reversed(range(len(self._planes))):
            if not equal:
                break
            ones = equal & self._planes[place]
            if value >> place & 1:
                below |= equal ^ ones
                equal = ones
            else:
                equal ^= ones
        match op:
            case Op.LT:
                return below
            case Op.LE:
                return below | equal
            case Op.EQ:
                return equal
            case Op.NE:
                return self.known ^ equal
            case Op.GE:
                return self.known ^ below
            case _:
                return self.known ^ below ^ equal

    def find_first(self, slots: Slots, *, count: int, descending: bool) -> tuple[Slots, Slots]:
        """Return which of `slots` are surely among the first `count`, and which tie for the places that are left.

        Unknown values come last, whichever way the others are ordered.
        """
        sure, tied = 0, slots & self.known
        places = tied.bit_count()
        if places <= count:
            return tied, (slots ^ tied if places < count else 0)
        left = count
        for plane in reversed(self._planes):
            ones = tied & plane
            first, rest = (ones, tied ^ ones) if descending else (tied ^ ones, ones)
            size = first.bit_count()
            if size > left:
                tied = first
            else:
                sure |= first
                tied, left = rest, left - size
                if not left:
                    return sure, 0
        return sure, tied

    def find_after(self, slots: Slots, value: int | None, *, descending: bool) -> tuple[Slots, Slots]:
        """Return which of `slots` come after this value in that order, and which have the same."""
        unknown = take_out(slots, self.known)
        if value is None:
            return 0, unknown
        later = self.compare(Op.LT if descending else Op.GT, value)
        return slots & later | unknown, slots & self.compare(Op.EQ, value)


class Words:
    """A column of texts of which each stands for a set of slots."""

    def __init__(self) -> None:
        self._members: dict[str, Slots] = {}

    def fill(self, values: Sequence[str]) -> None:
        """Hold these values, slot by slot, in place of all that were held."""
        places: dict[str, list[int]] = {}
        for slot, value in enumerate(values):
            places.setdefault(value, []).append(slot)
        self._members = {value: gather_slots(slots) for value, slots in places.items()}

    def put(self, slots: Slots, value: str) -> None:
        """Give all these slots one value besides those that they have; `drop` takes values away."""
        self._members[value] = self._members.get(value, 0) | slots

    def drop(self, slots: Slots, value: str) -> None:
        """Take a value from these slots."""
        left = take_out(self._members[value], slots)
        if left:
            self._members[value] = left
        else:
            del self._members[value]

    def find(self, value: str) -> Slots:
        """Return the slots that have the value, in whatever case it is written."""
        exact = self._members.get(value)
        if exact is not None:
            return exact
        folded, found = value.casefold(), 0
        for word, slots in self._members.items():
            if word.casefold() == folded:
                found |= slots
        return found

    def find_containing(self, part: str) -> Slots:
        """Return the slots whose value contains the text, in any case."""
        folded, found = part.casefold(), 0
        for word, slots in self._members.items():
            if folded in word.casefold():
                found |= slots
        return found

    def list_values(self) -> Sequence[str]:
        """Return all values that some slot has."""
        return tuple(self._members)

    def count(self, slots: Slots) -> Mapping[str, int]:
        """Return how many of `slots` have each value, without those that none has."""
        counts = {value: (members & slots).bit_count() for value, members in self._members.items()}
        return {value: count for value, count in counts.items() if count}


def gather_slots(slots: Collection[int]) -> Slots:
    """Return the set of these slots. Cost: linear in slots and in the highest, not in their product.

    >>> gather_slots([2, 0, 3]) == 0b1101
    True
    """
    held = bytearray((max(slots, default=0) >> 3) + 1)
    for slot in slots:
        held[slot >> 3] |= 1 << (slot & 7)
    return int.from_bytes(held, "little")
