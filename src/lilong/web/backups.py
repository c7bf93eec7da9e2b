"""When the last backup was written: a note in the home, for `lilong doctor` and `/metrics`."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lilong.common.files import write_durably
from lilong.common.time import format_moment, parse_moment

NOTE = Path("run") / "last-backup"


def note_backup(*, home: Path, now: datetime) -> None:
    """Note that a backup of the hub as it was at `now` has been written."""
    (home / NOTE).parent.mkdir(exist_ok=True)
    write_durably(path=home / NOTE, content=f"{format_moment(now)}\n".encode())


def find_last_backup(*, home: Path) -> datetime | None:
    """Return of which moment the last backup is, or None when none was written from this home."""
    with suppress(FileNotFoundError, ValueError):
        return parse_moment((home / NOTE).read_text().strip())
    return None
