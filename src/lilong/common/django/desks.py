"""What a room puts on a desk: what waits for a person, with its next step. `web/desks.py` gathers them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

SHOWN_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing that waits for a person.

    about: more of it in a few words; at: since when it waits or, with is_due, until when it has time; is_late: over it.
    """

    text: "_StrOrPromise"
    href: str
    about: "_StrOrPromise" = ""
    at: datetime | None = None
    is_due: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What waits in one respect: at most SHOWN_MAX items, most urgent first.

    calm: what it says when nothing waits; next_step: what to do about an item; href, label: the page with all of them.
    has_more: more wait than are shown. count: of what waits, where items are sums.
    """

    name: str
    title: "_StrOrPromise"
    calm: "_StrOrPromise"
    next_step: "_StrOrPromise"
    href: str
    label: "_StrOrPromise"
    items: Sequence[Waiting]
    has_more: bool = False
    count: int = 0

    @property
    def tally(self) -> int:
        """How many things wait, of those that are shown."""
        return self.count or len(self.items)
