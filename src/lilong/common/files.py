"""Writing small files so that a crash at any moment leaves the old content or the new, never half of it."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_durably(*, path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path`; once this returns, the content survives the machine's death.

    The folder must exist. A crash may leave a file of the same name with a dot before and a suffix behind.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            fresh.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
