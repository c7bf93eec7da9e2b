"""Django's own secret key: made once, kept in the home folder, readable by the hub's user only."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def read_or_make_django_key(home: Path) -> str:
    """Return the key in `home/keys/django.key`, making it on first use; two processes that race agree on one.

    Without a home folder nothing is written: the key lasts as long as the process (checks, `--help`).
    """
    if not home.is_dir():
        return secrets.token_urlsafe(64)
    path = home / "keys" / "django.key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"django.key.{os.getpid()}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(64))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()
