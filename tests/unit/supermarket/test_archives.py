import io
import stat
import struct
import zipfile

import pytest

from lilong.platforms.supermarket.services import archives
from lilong.platforms.supermarket.services.archives import ArchiveInvalid, read_archive


def make_zip(*entries, method=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return packed.getvalue()


def entry(name, *, mode=stat.S_IFREG | 0o644):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def refuse(content):
    with pytest.raises(ArchiveInvalid) as refusal:
        read_archive(content=content)
    return [field.message for field in refusal.value.fields] or [refusal.value.detail]


def test_files_come_out_by_path_with_their_bytes_and_modes():
    content = make_zip((entry("run.sh", mode=stat.S_IFREG | 0o755), "#!/bin/sh"), ("数据/a", b"1"), ("lib/", b""))

    files = read_archive(content=content)

    assert [(file.path, file.content, file.executable) for file in files] == [
        ("run.sh", b"#!/bin/sh", True),
        ("数据/a", b"1", False),
    ]


def test_what_never_travels_stays_behind():
    content = make_zip((".git/config", b"1"), ("a/__pycache__/b.pyc", b"1"), ("a/b.py", b"1"))

    assert [file.path for file in read_archive(content=content)] == ["a/b.py"]


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a/../../b", "a\\b", "a//b", "./a", "a\nb"])
def test_a_path_that_leaves_the_folder_or_garbles_a_line_is_refused(path):
    assert "It cannot travel" in refuse(make_zip((entry(path), b"1")))[0]


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600])
def test_links_and_devices_are_refused(mode):
    assert refuse(make_zip((entry("a", mode=mode), b"/etc/passwd"))) == ["It cannot travel: it is a link or a device."]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_stands_twice_is_refused():
    twice = "It cannot travel: its path stands twice."

    assert refuse(make_zip(("a", b"1"), ("a", b"2"))) == [twice]
    assert refuse(make_zip(("a", b"1"), ("a/b", b"2"))) == [twice]


def test_a_bomb_is_refused_by_what_it_says(monkeypatch):
    monkeypatch.setattr(archives, "UNPACKED_BYTES_MAX", 1000)

    assert "unpacks to more" in refuse(make_zip(("a", b"0" * 1001)))[0]


def test_a_bomb_that_lies_about_its_size_is_refused(monkeypatch):
    content = bytearray(make_zip(("a", b"0" * 100_000)))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", content, content.find(signature) + place, 10)

    assert refuse(bytes(content))


def test_more_files_than_may_travel_are_refused(monkeypatch):
    monkeypatch.setattr(archives, "FILES_MAX", 3)

    assert "it has 4 files" in refuse(make_zip(*((str(number), b"") for number in range(4))))[0]
    assert "too many files" in refuse(make_zip(*((str(number), b"") for number in range(13))))[0]


def test_a_password_is_refused():
    content = bytearray(make_zip(("a", b"1")))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(signature) + place] |= 1

    assert refuse(bytes(content)) == ["It cannot travel: it needs a password."]


def test_other_ways_of_packing_are_refused():
    assert "is not read here" in refuse(make_zip(("a", b"1"), method=zipfile.ZIP_BZIP2))[0]


@pytest.mark.parametrize("content", [b"x", b"PK\x05\x06", b"PK\x05\x06" + bytes(17)])
def test_what_is_no_zip_is_refused(content):
    assert refuse(content) == ["It is damaged, or no zip."]


def test_a_damaged_zip_is_refused_whatever_is_wrong():
    whole = make_zip(("a.txt", b"some text, some text, some text"), ("b", b"1"))
    refused = 0
    for at in range(len(whole)):
        try:
            read_archive(content=whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        except ArchiveInvalid:
            refused += 1
    assert refused > len(whole) / 2


def test_too_many_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(archives, "ARCHIVE_BYTES_MAX", 10)

    assert "more than 10 bytes" in refuse(make_zip(("a", b"1")))[0]
