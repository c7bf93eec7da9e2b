"""Folders with hostile names travel whole, or are refused by name."""

import shutil
import subprocess
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilong.protocol.manifest import Manifest, ManifestFile, ManifestInvalid, is_safe_path, parse_manifest
from lilong.protocol.packing import ALWAYS_LEFT, find_name_problem
from lilong.sdk.pack import FolderUnpackable, list_folder, pack_files, unpack_manifest

HOSTILE = (
    "数据",
    "训练 1",
    "é",
    unicodedata.normalize("NFD", "é"),
    "A",
    "a",
    "Ａ",
    "x y",
    " ",
    "-rf",
    "~",
    "$HOME",
    "%2e%2e",
)
CONTROLS = (
    "a\nb",
    "tab\t",
    "back\\slash",
    "\x1b[31m",
    "\x7f",
    "\u202e",
    "...",
    ".hidden",
    "con",
    "a:b",
    "*",
    "?",
    "#",
    "!n",
)
hostile = st.sampled_from([*HOSTILE, *CONTROLS])
names = hostile | st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)
parts = names.filter(lambda name: name not in {".", ".."} and len(name.encode()) <= 255)
paths = st.lists(parts, min_size=1, max_size=3)
folders = st.dictionaries(paths.map(tuple), st.binary(max_size=50), max_size=6)


def write(root, files):
    """Write files by their parts; those whose place is taken by another kind are left out."""
    written = {}
    for parts_, content in files.items():
        place = root.joinpath(*parts_)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        written["/".join(parts_)] = content
    return written


@given(folders)
def test_a_folder_comes_out_as_it_went_in_or_is_refused_by_name(files):
    with tempfile.TemporaryDirectory() as scratch:
        root, target = Path(scratch, "root"), Path(scratch, "target")
        root.mkdir()
        written = write(root, {("#", *name): content for name, content in files.items()})
        environments = tuple(path.removesuffix("pyvenv.cfg") for path in written if path.endswith("/pyvenv.cfg"))
        written = {
            path: content
            for path, content in written.items()
            if not ALWAYS_LEFT & set(path.split("/")) and not path.startswith(environments)
        }
        bad = {path for path in written if any(find_name_problem("/".join(path.split("/")[: n + 1])) for n in range(9))}
        if bad:
            with pytest.raises(FolderUnpackable) as refused:
                list_folder(folder=root)
            named = {field.path for field in refused.value.fields}
            assert all(any(path.startswith(name) for name in named) for path in bad)
            return
        packed = pack_files(listing=list_folder(folder=root))
        manifest = parse_manifest(packed.manifest.to_bytes())
        unpack_manifest(manifest=manifest, target=target, read=lambda sha256: [packed.sources[sha256].read_bytes()])

        came_out = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
        assert came_out == written


@given(st.lists(st.lists(parts | st.sampled_from(["..", ".", "", "/"]), max_size=4).map("/".join), max_size=4))
def test_a_manifest_with_a_path_that_leaves_or_meets_another_is_never_read(paths):
    files = [{"path": path, "sha256": "0" * 64, "size_bytes": 0} for path in paths if path]
    try:
        manifest = Manifest(files=tuple(ManifestFile.model_validate(file) for file in files))
        parse_manifest(manifest.to_bytes())
    except ManifestInvalid:
        return
    read = [file.path for file in manifest.files]
    assert all(is_safe_path(path) and ".." not in Path(path).parts and not Path(path).is_absolute() for path in read)
    assert len(set(read)) == len(read)
    assert not [(a, b) for a in read for b in read if a != b and b.startswith(f"{a}/")]


plain = st.sampled_from(["a", "b", "c.log", "d.txt", "out", "src"])
patterns = st.sampled_from(
    [
        "*.log",
        "!c.log",
        "out/",
        "/out",
        "a",
        "!a",
        "src/*",
        "**/b",
        "a/**",
        "# c",
        "\\#x",
        "b/",
        "!src/d.txt",
        "*",
        "!*/",
        "!a/b",
        "!a/**",
        "**",
        "a/**/b",
        "*/a",
        "!",
        "a\\",
    ]
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@given(
    st.lists(st.lists(plain, min_size=1, max_size=3).map(tuple), min_size=1, max_size=8, unique=True),
    st.dictionaries(st.sampled_from(["", "a", "src", "src/a"]), st.lists(patterns, max_size=4), max_size=3),
)
def test_gitignore_leaves_out_what_git_leaves_out(files, ignored):
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write(root, dict.fromkeys(files, b"x"))
        for folder, lines in ignored.items():
            if (root / folder).is_dir():
                (root / folder / ".gitignore").write_text("\n".join(lines))
        git = ("git", "-c", "core.excludesFile=", "-C", str(root))
        subprocess.run([*git, "init", "-q"], check=True)
        listed = subprocess.run(
            [*git, "ls-files", "-z", "--others", "--exclude-standard"], check=True, capture_output=True
        ).stdout
        assert [file.path for file in list_folder(folder=root).files] == sorted(listed.decode().split("\0")[:-1])
