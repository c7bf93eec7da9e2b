"""Small files: written so that a crash at any moment leaves the old content or the new, never half of it; and found."""

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_durably(*, path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file at `path`; once this returns, the content survives the machine's death.

    The folder must exist. A crash may leave a file of the same name with a dot before and a suffix behind.
    """
    _write(path, content, mode, os.replace)


def create_durably(*, path: Path, content: bytes, mode: int = 0o600) -> bool:
    """Write the file unless there is one already, which then stays as it is; say whether it was written.

    Of several processes that try at once exactly one succeeds.
    """
    try:
        _write(path, content, mode, os.link)
    except FileExistsError:
        return False
    return True


def find_tools() -> Path:
    """Return the folder of the programs that check receipts: inside an installed wheel, at the top of a checkout."""
    packed = Path(__file__).with_name("tools")
    return packed if packed.is_dir() else Path(__file__).parents[3] / "tools"


def _write(path: Path, content: bytes, mode: int, put: Callable[[Path, Path], None]) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put(fresh, path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
