import hashlib
import os
import socket

import pytest

from lilong.common.errors import LilongError
from lilong.protocol.manifest import FILES_MAX, TOTAL_BYTES_MAX, Manifest, ManifestFile
from lilong.sdk.pack import (
    ContentWrong,
    FolderMissing,
    FolderTooLarge,
    FolderUnpackable,
    TargetExists,
    list_folder,
    pack_files,
    unpack_manifest,
)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def write(root, **files):
    for name, text in files.items():
        place = root / name.replace("__", "/").replace("_dot_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def list_paths(root):
    return [file.path for file in list_folder(folder=root).files]


def refusals(root):
    with pytest.raises(FolderUnpackable) as refused:
        list_folder(folder=root)
    return {field.path: field.message for field in refused.value.fields}


def describe(content, path="a", *, size_bytes=None):
    size_bytes = len(content) if size_bytes is None else size_bytes
    return ManifestFile(path=path, sha256=hashlib.sha256(content).hexdigest(), size_bytes=size_bytes)


def unpack(target, *files, content=b"one"):
    unpack_manifest(manifest=Manifest(files=files), target=target, read=lambda _: [content])


def test_sizes_are_known_before_anything_is_read_and_what_stays_is_named(root):
    write(root, train_dot_py="12345", notes_dot_log="x", _dot_git__config="", _dot_gitignore="*.log")
    listing = list_folder(folder=root)

    assert [(file.path, file.size_bytes) for file in listing.files] == [(".gitignore", 5), ("train.py", 5)]
    assert listing.size_bytes == 10
    assert listing.left == (".git/", "notes.log")


def test_lilongignore_has_the_last_word_in_its_folder(root):
    write(root, a_dot_bin="", b_dot_bin="", _dot_gitignore="*.bin", _dot_lilongignore="!a.bin\n.*ignore")
    assert list_paths(root) == ["a.bin"]


def test_an_environment_stays_whatever_its_name(root):
    write(root, env__pyvenv_dot_cfg="", env__bin__python="", main_dot_py="")
    assert list_paths(root) == ["main.py"]


def test_the_bit_for_execution_travels(root, tmp_path):
    write(root, run_dot_sh="#!/bin/sh", plain="")
    (root / "run.sh").chmod(0o755)
    packed = pack_files(listing=list_folder(folder=root))
    unpack_manifest(
        manifest=packed.manifest, target=tmp_path / "out", read=lambda sha256: [packed.sources[sha256].read_bytes()]
    )

    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert not (tmp_path / "out" / "plain").stat().st_mode & 0o111


def test_a_link_to_a_file_that_travels_is_sent_as_a_copy(root):
    write(root, configs__base_dot_toml="x = 1")
    (root / "current.toml").symlink_to("configs/base.toml")
    assert list_paths(root) == ["configs/base.toml", "current.toml"]


def test_a_link_that_would_send_something_else_is_refused(root, tmp_path):
    (tmp_path / "secret").write_text("s")
    write(root, hidden="s", sub__a="", _dot_gitignore="/hidden")
    for name, target in {
        "outside": tmp_path / "secret",
        "ignored": "hidden",
        "folder": "sub",
        "dangling": "nowhere",
        "loop": "loop",
    }.items():
        (root / name).symlink_to(target)

    assert set(refusals(root)) == {"outside", "ignored", "folder", "dangling", "loop"}


def test_what_is_no_file_is_refused_unless_it_is_ignored(root):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(root, os.O_RDONLY)
        listening.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    assert set(refusals(root)) == {"pipe", "socket"}

    write(root, _dot_lilongignore="pipe\nsocket")
    assert list_paths(root) == [".lilongignore"]


def test_names_that_no_other_system_could_hold_are_refused_all_at_once(root):
    (root / "line\nbreak").touch()
    (root / "back\\slash").touch()
    os.close(os.open(os.fsencode(root) + b"/\xff\xfe", os.O_CREAT | os.O_WRONLY))
    assert set(refusals(root)) == {"line\nbreak", "back\\slash", "\\udcff\\udcfe"}


def test_a_very_deep_folder_is_refused_and_not_followed_for_ever(root):
    place = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    assert [len(path) for path in refusals(root)] == [513]


def test_too_many_files_are_refused_with_the_limit(root):
    for number in range(FILES_MAX + 1):
        (root / str(number)).touch()
    with pytest.raises(FolderTooLarge) as refused:
        list_folder(folder=root)
    assert refused.value.facts == {"limit": FILES_MAX, "used": FILES_MAX + 1}


def test_too_many_bytes_are_refused_with_the_limit(root):
    write(root, b="34")
    with (root / "a").open("wb") as sparse:
        sparse.truncate(TOTAL_BYTES_MAX)
    with pytest.raises(FolderTooLarge) as refused:
        list_folder(folder=root)
    assert refused.value.facts == {"limit": TOTAL_BYTES_MAX, "used": TOTAL_BYTES_MAX + 2}


def test_a_file_that_goes_while_it_is_packed_is_named(root):
    write(root, a="12")
    listing = list_folder(folder=root)
    (root / "a").unlink()
    with pytest.raises(FolderUnpackable) as refused:
        pack_files(listing=listing)
    assert refused.value.fields[0].path == "a"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FolderMissing, match="nowhere"):
        list_folder(folder=tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"other", b"on", b"onee", b""])
def test_other_bytes_than_the_manifest_names_leave_nothing(tmp_path, content):
    with pytest.raises(ContentWrong):
        unpack(tmp_path / "out", describe(b"one"), content=content)
    assert not list(tmp_path.iterdir())


def test_unpacking_writes_over_nothing(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("full")
    for name in ("full", "file", "link"):
        with pytest.raises(TargetExists):
            unpack(tmp_path / name, describe(b"one"))

    (tmp_path / "empty").mkdir()
    unpack(tmp_path / "empty", describe(b"one"))
    assert (tmp_path / "empty" / "a").read_bytes() == b"one"


def test_a_download_that_fails_leaves_nothing(tmp_path):
    def break_off(_sha256):
        yield b"o"
        raise LilongError

    with pytest.raises(LilongError):
        unpack_manifest(manifest=Manifest(files=(describe(b"one"),)), target=tmp_path / "out", read=break_off)
    assert not list(tmp_path.iterdir())
