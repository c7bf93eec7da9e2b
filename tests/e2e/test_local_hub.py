"""A hub in a folder starts, answers, survives the death of its processes, and leaves nothing running."""

import os

import pytest

from lilong.common.errors import NotSignedIn
from tests.hub import running_hub
from tests.polling import wait_until


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_web_process_comes_back_with_the_same_tables_and_nothing_is_left_at_the_end(tmp_path):
    with running_hub(tmp_path / "hub 数据") as hub:
        operator = hub.list_operators(1)[0]
        sha256 = operator.objects.upload_bytes(b"kept")
        old = hub.kill("web")
        wait_until(lambda: hub.find_pid("web") not in {None, old}, within_s=30)
        assert operator.objects.read(sha256) == b"kept"
        with pytest.raises(NotSignedIn):
            hub.connect(token="lil_unknown").organisations.get_me()
        pids = [hub.find_pid(name) or 0 for name in ("web", "worker")]
        assert all(pids)
        assert all(is_running(pid) for pid in pids)

    assert not [pid for pid in pids if is_running(pid)]
