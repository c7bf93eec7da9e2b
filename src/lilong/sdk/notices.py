"""What the hub tells a person, and which of it also comes by mail."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address


class Notice(Answer):
    """A notice in the words of the reader's language."""

    id: str
    kind: str
    subject_id: str
    title: str
    text: str
    posted_at: datetime
    read_at: datetime | None = None


class NoticeKind(Answer):
    """A kind of notice; mail says how mail of it is sent: `now`, `hourly`, `no`."""

    kind: str
    title: str
    by_mail: bool
    mail: str
    is_security: bool


class Preferences(Answer):
    """A person's language and mail."""

    language: str
    kinds: tuple[NoticeKind, ...]


class Notices(Noun):
    """Read what the hub tells one, and choose how."""

    def list(self, *, shown: str = "all") -> Iterator[Notice]:
        """Yield one's notices, newest first; `unread` leaves out what was read."""
        return self._list(Notice, address("notices"), params={"shown": shown})

    def mark_read(self, notice_id: str) -> None:
        """Note that one has read a notice."""
        self._do("POST", address("notices", notice_id, "read"))

    def mark_all_read(self) -> None:
        """Note that one has read all notices."""
        self._do("POST", address("notices", "read"))

    def preferences(self) -> Preferences:
        """Return every kind of notice and whether it comes by mail."""
        return self._get(Preferences, address("notices", "preferences"))

    def choose_mail(self, kind: str, *, by_mail: str) -> None:
        """Choose whether a kind comes by mail: `yes` or `no`."""
        self._do("PUT", address("notices", "preferences", kind), json={"by_mail": by_mail})

    def choose_language(self, language: str) -> None:
        """Choose the language in which the hub writes to one: `en`, `zh-hans`."""
        self._do("PUT", address("notices", "language"), json={"language": language})
