"""Which transfers make up the books of a past moment."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AsOf:
    """What counts for moments up to and including `at`, of what had been entered by `known_at`.

    With `known_at` equal to `at` nothing that is entered later changes the answer. For a closed period name any moment
    after it was closed: nothing can count for it any more, and what was entered late within it is there.
    """

    at: datetime
    known_at: datetime

    @classmethod
    def seen_at(cls, moment: datetime) -> "AsOf":
        """Return the books as whoever looked at this moment saw them."""
        return cls(at=moment, known_at=moment)
