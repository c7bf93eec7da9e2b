"""Our static files, served by WhiteNoise under names that hold their hash, so browsers keep them for ever.

Nothing is collected or written: the files lie in the installed packages, and every process names them alike.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]

HASH_DIGITS = 12


@cache
def hash_name(name: str) -> str:
    """Return the name under which a static file is served: `web/lilong.css` as `web/lilong.0123456789ab.css`.

    Raises FileNotFoundError where no installed package has the file.
    """
    found = finders.find(name)
    if found is None:
        raise FileNotFoundError(f"There is no static file {name}.")
    digest = sha256(Path(found).read_bytes()).hexdigest()[:HASH_DIGITS]
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{digest}{path.suffix}"))


class HashedStorage(StaticFilesStorage):
    """Tells templates the hashed names."""

    def url(self, name: str | None) -> str:
        """Return the address of a static file."""
        return super().url(hash_name(name or ""))


class HashedStatic(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Serves every static file under its hashed name and no other."""

    def add_files_from_finders(self) -> None:
        """Learn the files once, when the process starts."""
        for finder in finders.get_finders():
            for name, storage in finder.list(None):
                self.add_file_to_dictionary(f"{self.static_prefix}{hash_name(name)}", storage.path(name))

    def immutable_file_test(self, path: str, url: str) -> bool:  # noqa: ARG002 - the signature is WhiteNoise's
        """Say that what is under this address never changes: another content has another name."""
        return True
