"""Who holds which service user, also when an agent and an operator's command look at the same moment."""

import threading

import pytest

from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.engines.slurm.users import HELD, JobUsers, UserBusy, UserNotHeld
from lilong.agent.spool import read_json
from lilong.common.errors import EngineRefused
from tests.polling import wait_until


@pytest.fixture
def users(tmp_path):
    folder = tmp_path / "shared"
    settings = SlurmSettings(shared_folder=folder, jobs_folder=folder, partition="p", service_users=("s1", "s2"))
    return JobUsers(settings=settings, home=tmp_path)


def refuse(organisation_id):
    raise UserBusy(detail=organisation_id)


def test_a_user_stays_with_its_organisation_until_it_is_released(users, tmp_path):
    assert [users.choose(organisation_id=name) for name in ("a", "b", "a")] == ["s1", "s2", "s1"]
    with pytest.raises(EngineRefused):
        users.choose(organisation_id="c")

    assert users.release("s1", check=lambda _: None) == "a"
    assert users.choose(organisation_id="c") == "s1"
    assert read_json(tmp_path / HELD) == {"s1": "c", "s2": "b"}


def test_what_stands_against_it_leaves_the_user_where_it_is(users):
    users.choose(organisation_id="a")

    with pytest.raises(UserBusy, match="a"):
        users.release("s1", check=refuse)
    assert users.choose(organisation_id="b") == "s2"


def test_a_user_that_nobody_holds_is_named_with_those_that_are(users):
    users.choose(organisation_id="a")

    with pytest.raises(UserNotHeld, match="held are: s1"):
        users.release("s2", check=refuse)


def test_whoever_chooses_during_a_release_chooses_after_it(users):
    users.choose(organisation_id="a")
    chosen: list[str] = []
    chooser = threading.Thread(target=lambda: chosen.append(users.choose(organisation_id="b")))

    def check(_):
        chooser.start()
        wait_until(chooser.is_alive, within_s=5)
        assert not chosen

    users.release("s1", check=check)
    chooser.join(timeout=10)

    assert chosen == ["s1"]
