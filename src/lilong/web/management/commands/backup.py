"""`lilong backup`: the whole of a hub in one file, while it runs."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.django.tables import TablesOlder, read_table_steps
from lilong.common.errors import Conflict, InvariantBroken
from lilong.common.time import utc_now
from lilong.foundation.objects.reactions import StoredCopy, list_stored, read_stored
from lilong.web.archive import RemoteObject, copy_sqlite, write_archive
from lilong.web.backups import note_backup
from lilong.web.copying import copy_out, open_copy


class ArchiveNotWritten(Conflict):
    """The archive cannot be written where it was asked for."""

    code = "backup.not_written"
    title = "No backup was written"
    next_step = "Name a file that does not exist yet, in a folder that you may write to and that has room."


class Command(HubCommand):
    """Write database, keys, settings, objects and logs into one archive."""

    help = "Write database, keys, settings, objects and logs into one archive."
    needs_tables = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the archive's path."""
        parser.add_argument("archive", type=Path)
        parser.add_argument("--without-objects", action="store_true")

    def answer(self, *, archive: Path, without_objects: bool, **_: object) -> Mapping[str, object]:
        """Write it, of the tables of an earlier version, too."""
        refusal = read_table_steps().refuse()
        if refusal is not None and not isinstance(refusal, TablesOlder):
            raise refusal
        missing: list[str] = []
        now = utc_now()
        try:
            count = write_archive(
                home=settings.LILONG.home,
                copy_database=_copy_database,
                list_remote=_choose_objects(missing=missing, without_objects=without_objects),
                archive=archive,
                now=now,
            )
        except FileExistsError as error:
            raise ArchiveNotWritten(detail=f"{archive} exists.") from error
        except OSError as error:
            raise ArchiveNotWritten(detail=f"{archive}: {error.strerror}.") from error
        note_backup(home=settings.LILONG.home, now=now)
        return {"archive": str(archive), "files": count, "objects_missing": len(missing)}


def _copy_database(copy: Path) -> None:
    """Make a SQLite file of the hub's database as it is at one moment."""
    if connection.vendor == "sqlite":
        copy_sqlite(Path(connection.settings_dict["NAME"]), copy)
        return
    copy.touch(mode=0o600, exist_ok=False)
    copy_out(path=copy)


def _choose_objects(*, missing: list[str], without_objects: bool) -> Callable[[Path], Iterable[RemoteObject]] | None:
    """Return how objects get into the archive that do not lie in the home; None when they do."""
    if without_objects:
        return lambda _: ()
    return partial(_list_remote, missing) if settings.LILONG.objects_url else None


def _list_remote(missing: list[str], copy: Path) -> Iterator[RemoteObject]:
    with open_copy(copy) as alias:
        for stored in list_stored(using=alias):
            yield RemoteObject(stored.key, stored.size_bytes, partial(_read, stored, missing))


def _read(stored: StoredCopy, missing: list[str]) -> Iterator[bytes]:
    """Open an object. One that nobody refers to may have gone since; another is lost, and the backup says so."""
    try:
        return iter(read_stored(stored=stored))
    except InvariantBroken as error:
        if stored.is_wanted:
            missing.append(stored.key)
        raise FileNotFoundError(stored.key) from error
