"""The public record: heads, keys, and what everybody sees of its entries."""

from collections.abc import Iterator
from datetime import datetime

from lilong.protocol.exports import render_json
from lilong.sdk.noun import Answer, Noun, address


class Head(Answer):
    """The newest head that enough witnesses cosigned; note: a C2SP signed note."""

    origin: str
    size: int
    note: str
    signed_at: datetime


class KeyRing(Answer):
    """Keys of logs and witnesses, and how many witnesses a head needs."""

    logs: tuple[str, ...]
    required: int
    witnesses: tuple[str, ...]

    def to_bytes(self) -> bytes:
        """Return the content of a keys file."""
        return render_json(self.model_dump(mode="json"))


class Keys(Answer):
    """The key ring and the fingerprint of each of its keys, to be compared over another road."""

    key_ring: KeyRing
    fingerprints: dict[str, str]


class FeedItem(Answer):
    """What everybody sees of an entry; hash: of its leaf, in base64."""

    index: int
    type: str
    hash: str


class RecordStatus(Answer):
    """Where the record stands. waiting: entries without a place yet; restoring: pay-outs are frozen."""

    origin: str
    size: int
    published_size: int
    waiting: int
    restoring: bool


class _Feed(Answer):
    items: tuple[FeedItem, ...]
    next_start: int | None = None


class Record(Noun):
    """Read what the hub publishes of its record."""

    def get_head(self) -> Head:
        """Return the newest published head. Needs no token."""
        return self._get(Head, address("record", "head"))

    def get_keys(self) -> Keys:
        """Return whose signatures heads bear. Needs no token."""
        return self._get(Keys, address("record", "keys"))

    def get_status(self) -> RecordStatus:
        """Return where the record stands; for operators."""
        return self._get(RecordStatus, address("record", "status"))

    def list_feed(self, *, start: int = 0) -> Iterator[FeedItem]:
        """Yield type and hash of every entry under the published head, oldest first. Needs no token."""
        following: int | None = start
        while following is not None:
            page = self._get(_Feed, address("record", "entries"), params={"start": following, "limit": 200})
            yield from page.items
            following = page.next_start
