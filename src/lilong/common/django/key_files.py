"""Keys of the hub in its home folder: made once, readable by the hub's user only."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from os import O_CREAT, O_EXCL, O_WRONLY, fdopen, fsync, link
from os import open as open_file
from pathlib import Path


def read_or_make_key(*, path: Path, make: Callable[[], bytes]) -> bytes:
    """Return the content of `path`, making it on first use; two processes that race agree on one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        with fdopen(open_file(fresh, O_WRONLY | O_CREAT | O_EXCL, 0o600), "wb") as file:
            file.write(make())
            file.flush()
            fsync(file.fileno())
        with suppress(FileExistsError):
            link(fresh, path)
        fresh.unlink()
    return path.read_bytes()
