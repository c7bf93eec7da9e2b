"""A folder as a list of content-addressed files: what travels for working folders, checkpoints and volumes."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from lilong.common.canonical import canonical_json, sha256_hex
from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.sentences import say
from lilong.protocol.spec import Frozen, Sha256

FILES_MAX = 20_000
TOTAL_BYTES_MAX = 64 * 1024**3
PATH_CHARACTERS_MAX = 512


class ManifestInvalid(InputInvalid):
    """The manifest names a path that leaves its folder, twice the same path, or too much."""

    code = "manifest.invalid"
    title = "This folder cannot be used as it is"
    next_step = "Pack the folder again with `lilong run` or `lilong volumes put`."


class ManifestFile(Frozen):
    """One regular file: relative path with `/`, digest, size in bytes, whether it is executable."""

    path: Annotated[str, Field(min_length=1, max_length=PATH_CHARACTERS_MAX)]
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    executable: bool = False


class Manifest(Frozen):
    """The files of a folder, by path. No links, no devices, no empty folders."""

    files: tuple[ManifestFile, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of all files."""
        return sum(file.size_bytes for file in self.files)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes whose SHA-256 names this manifest."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def sha256(self) -> str:
        """The name of this manifest as an object."""
        return sha256_hex(self.to_bytes())


def has_controls(text: str) -> bool:
    r"""Return whether `text` holds a control character, which could garble a terminal or a line-based file.

    >>> has_controls("数据 1"), has_controls("a\x1b[31m"), has_controls("a\x9b31m")
    (False, True, True)
    """
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


def is_safe_path(path: str) -> bool:
    r"""Return whether `path` stays inside its folder on every system that unpacks it.

    >>> [is_safe_path(path) for path in ("a/b.py", "../a", "/etc/passwd", "a//b", "a/./b", "a\\b")]
    [True, False, False, False, False, False]
    """
    if "\\" in path or has_controls(path):
        return False
    parts = path.split("/")
    return not PurePosixPath(path).is_absolute() and all(part not in {"", ".", ".."} for part in parts)


def parse_manifest(content: bytes) -> Manifest:
    """Return the manifest in `content`; raises ManifestInvalid for unsafe or doubled paths and exceeded limits.

    >>> parse_manifest(b'{"files":[]}').size_bytes
    0
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValueError as error:
        raise ManifestInvalid(detail=say("The manifest is not in the form of manifest.py.")) from error
    problems = [
        FieldProblem(
            path=f"files.{file.path[:200]!r}", code="manifest.path_unsafe", message=say("It leaves the folder.")
        )
        for file in manifest.files
        if not is_safe_path(file.path)
    ]
    paths = {file.path for file in manifest.files}
    parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    if len(paths) < len(manifest.files) or paths & parents:
        problems.append(FieldProblem(path="files", code="manifest.path_doubled", message=say("A path stands twice.")))
    if len(manifest.files) > FILES_MAX or manifest.size_bytes > TOTAL_BYTES_MAX:
        problems.append(FieldProblem(path="files", code="manifest.too_large", message=say("Too many files or bytes.")))
    if problems:
        raise ManifestInvalid(fields=problems[:50])
    return manifest
