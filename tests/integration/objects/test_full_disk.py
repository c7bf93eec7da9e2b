"""A disk that is really full: a small one of its own, in a namespace of its own."""

import shutil
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

SCRIPT = """
import hashlib, os, sys
from pathlib import Path
from lilong.foundation.objects.folder import FolderStorage
from lilong.foundation.objects.storage import StorageFull

folder = Path("/small")
storage = FolderStorage(folder=folder, reserve_bytes=0)
content = os.urandom(3_000_000)
filler = folder / "filler"
with storage.open_part(upload_id="upl_1") as part:
    part.write(content[:1_000_000])
    part.sync()
filler.write_bytes(bytes(2_000_000))
with storage.open_part(upload_id="upl_1") as part:
    assert part.cut(size_bytes=1_000_000)
    try:
        part.write(content[1_000_000:1_500_000])
        part.write(content[1_500_000:])
    except StorageFull:
        print("full at", part.end)
filler.unlink()
with storage.open_part(upload_id="upl_1") as part:
    assert part.cut(size_bytes=1_000_000)
    part.write(content[1_000_000:])
    part.sync()
    assert part.digest() == hashlib.sha256(content).hexdigest()
    assert part.place(key="abcd")
assert b"".join(storage.read(key="abcd", start=0, end=3_000_000)) == content
print("whole")
"""


def test_a_full_disk_takes_back_the_request_and_the_part_goes_on_when_there_is_room():
    done = subprocess.run(
        [
            *("bwrap", "--bind", "/", "/", "--dev", "/dev", "--size", "4000000", "--tmpfs", "/small"),
            *("--unshare-user", sys.executable, "-c", SCRIPT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.splitlines(), done.stderr) == (["full at 1000000", "whole"], "")
