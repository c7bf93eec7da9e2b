"""A hub in a folder starts, answers, survives the death of its processes, and leaves nothing running."""

import pytest

from lilong.cli.demo.stage import Stage
from lilong.common.errors import NotSignedIn
from tests.hub import is_running, kill, running_hub, wait_for_another


def test_a_killed_web_process_comes_back_with_the_same_tables_and_nothing_is_left_at_the_end(tmp_path):
    with running_hub(tmp_path / "hub 数据") as hub, Stage(hub=hub) as stage:
        stage.appoint_operators(count=1)
        sha256 = stage.operators[0].objects.upload_bytes(b"kept")
        wait_for_another(hub, "web", than=kill(hub, "web"))
        assert stage.operators[0].objects.read(sha256) == b"kept"
        with pytest.raises(NotSignedIn):
            stage.connect(token="lil_unknown").organisations.get_me()
        pids = [hub.find_pid(name) or 0 for name in ("web", "worker")]
        assert all(pids)
        assert all(is_running(pid) for pid in pids)

    assert not [pid for pid in pids if is_running(pid)]
