"""Texts sealed before they enter the database; the key lies in the home folder, outside of it.

`keys/secrets.key` holds one Fernet key a line: the first seals, all open. To rotate, put a new key on the first line.
"""

import json
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from lilong.common.django.key_files import read_or_make_key
from lilong.common.errors import InvariantBroken


class SealBroken(InvariantBroken):
    """A sealed text does not open: its key is missing, or it was moved to another row."""

    code = "seal.broken"
    title = "A sealed value cannot be opened"
    next_step = "Ask the operator to put the hub's keys/secrets.key back in place."


def seal(*, text: str, context: str) -> str:
    """Return `text` encrypted and bound to `context`, which says where it belongs and is not stored."""
    return _fernet().encrypt(json.dumps([context, text]).encode()).decode()


def unseal(*, sealed: str, context: str) -> str:
    """Return the text that was sealed for `context`; raises SealBroken."""
    try:
        sealed_context, text = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SealBroken(detail="No key of this hub opens it.") from error
    if sealed_context != context:
        raise SealBroken(detail="It was sealed for another place.")
    return str(text)


def _fernet() -> MultiFernet:
    path: Path = settings.LILONG.home / "keys" / "secrets.key"
    keys = read_or_make_key(path=path, make=Fernet.generate_key)
    return MultiFernet([Fernet(line) for line in keys.split()])
