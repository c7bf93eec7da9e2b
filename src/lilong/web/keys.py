"""Django's own secret key."""

import secrets
from pathlib import Path

from lilong.common.django.key_files import read_or_make_key


def read_or_make_django_key(home: Path) -> str:
    """Return the key in `home/keys/django.key`, making it on first use.

    Without a home folder nothing is written: the key lasts as long as the process (checks, `--help`).
    """
    if not home.is_dir():
        return secrets.token_urlsafe(64)
    key = read_or_make_key(path=home / "keys" / "django.key", make=secrets.token_urlsafe(64).encode)
    return key.decode()
