"""Texts sealed before they enter the database; the key lies in the home folder, outside of it.

`keys/secrets.key` holds one Fernet key a line: the first seals, all open. It is read at each call, so that every
process has the new key as soon as it is there.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from lilong.common.django.key_files import read_or_make_key
from lilong.common.errors import Conflict, InvariantBroken
from lilong.common.files import write_durably
from lilong.common.sentences import say


class SealBroken(InvariantBroken):
    """A sealed text does not open: its key is missing, or it was moved to another row."""

    code = "seal.broken"
    title = "A sealed value cannot be opened"
    next_step = "Ask the operator to put the hub's keys/secrets.key back in place."


class KeysChanging(Conflict):
    """Another process changes the keys at this moment."""

    code = "seal.keys_changing"
    title = "The sealing keys are being changed already"
    next_step = "Wait until the other command has ended, then run this one again."


class KeysForeign(Conflict):
    """The file belongs to another user, who could not read what we would put in its place."""

    code = "seal.keys_foreign"
    title = "The sealing keys belong to another user"
    next_step = "Run this as the user that the hub runs as."


class Opener(StrEnum):
    """Which key opens a sealed text. NONE: no key of this hub does."""

    FIRST = "first"
    OLDER = "older"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The hub's sealing keys as they were at one moment, the one that seals first."""

    keys: tuple[bytes, ...]

    @property
    def fernet(self) -> MultiFernet:
        """What seals with the first key and opens with all."""
        return MultiFernet([Fernet(key) for key in self.keys])

    def find_opener(self, sealed: str) -> Opener:
        """Say which key opens a sealed text."""
        for opener, ring in ((Opener.FIRST, replace(self, keys=self.keys[:1])), (Opener.OLDER, self)):
            try:
                ring.fernet.decrypt(sealed.encode())
            except InvalidToken:
                continue
            return opener
        return Opener.NONE

    def reseal(self, sealed: str) -> str:
        """Return the text sealed with the first key, bound to what it was bound to; raises InvalidToken."""
        return self.fernet.rotate(sealed.encode()).decode()


def seal(*, text: str, context: str) -> str:
    """Return `text` encrypted and bound to `context`, which says where it belongs and is not stored."""
    return read_keys().fernet.encrypt(json.dumps([context, text]).encode()).decode()


def unseal(*, sealed: str, context: str) -> str:
    """Return the text that was sealed for `context`; raises SealBroken."""
    try:
        sealed_context, text = json.loads(read_keys().fernet.decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SealBroken(detail=say("No key of this hub opens it.")) from error
    if sealed_context != context:
        raise SealBroken(detail=say("It was sealed for another place."))
    return str(text)


def read_keys() -> KeyRing:
    """Return the keys as they are now; the first is made on first use."""
    return KeyRing(keys=tuple(read_or_make_key(path=_key_file(), make=Fernet.generate_key).split()))


def find_keys_changed_at() -> datetime:
    """Return since when the keys are those that they are."""
    return datetime.fromtimestamp(_key_file().stat().st_mtime, tz=UTC)


@contextmanager
def changing_keys() -> Iterator[None]:
    """Let nobody else on this machine change the keys meanwhile; raises KeysChanging, KeysForeign."""
    read_keys()
    path = _key_file()
    if path.stat().st_uid != os.geteuid():
        raise KeysForeign(detail=say("{path} belongs to {owner}.", path=str(path), owner=path.owner()))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KeysChanging from error
        yield
    finally:
        os.close(folder)


def put_first_key() -> None:
    """Make a new key, which seals from now on. To be called within `changing_keys`."""
    _write((Fernet.generate_key(), *read_keys().keys))


def drop_older_keys() -> int:
    """Forget all keys but the first and return how many. To be called within `changing_keys`."""
    first, *older = read_keys().keys
    _write((first,))
    return len(older)


def _write(keys: tuple[bytes, ...]) -> None:
    path = _key_file()
    umask = os.umask(0)  # who could read the file before reads it after
    try:
        write_durably(path=path, content=b"\n".join(keys) + b"\n", mode=path.stat().st_mode & 0o777)
    finally:
        os.umask(umask)


def _key_file() -> Path:
    home: Path = settings.LILONG.home
    return home / "keys" / "secrets.key"
