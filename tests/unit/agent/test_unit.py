"""The unit for systemd is read by systemd's own checker; no systemd runs where the tests do."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lilong.agent.unit import Service, build_unit
from lilong.common.systemd import UnitImpossible
from tests.units import read_settings, verify

IMPLIES_NO_NEW_PRIVILEGES = {
    "SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictNamespaces", "PrivateDevices",
    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectClock", "ProtectHostname",
    "MemoryDenyWriteExecute", "RestrictRealtime", "RestrictSUIDSGID", "DynamicUser", "LockPersonality",
}  # fmt: skip


SERVICE = Service(
    pool_id="pool_1",
    user="daemon",
    python=Path(sys.executable),
    home=Path("/var/lib/lilong-agent"),
    folders=(),
    is_cluster=True,
)


def make_unit(**fields):
    return build_unit(service=replace(SERVICE, **fields))


@pytest.mark.parametrize("is_cluster", [True, False])
@pytest.mark.parametrize("name", ["agent", "50% of 上海 & $HOME {pool}"])
def test_systemd_finds_nothing_wrong_with_it_whatever_the_folders_are_called(tmp_path, name, is_cluster):
    home = tmp_path / name
    home.mkdir()
    python = home / "python"
    python.symlink_to(sys.executable)
    text = make_unit(home=home, python=python, folders=(home,), is_cluster=is_cluster)

    assert verify(text, tmp_path) == (0, "")


def test_the_checker_finds_a_program_that_is_not_there(tmp_path):
    code, said = verify(make_unit(python=Path("/nonexistent/python")), tmp_path)

    assert code != 0
    assert "/nonexistent/python" in said


def test_nothing_in_it_keeps_sudo_from_gaining_rights():
    settings = read_settings(make_unit())

    assert settings["NoNewPrivileges"] == "no"
    assert not IMPLIES_NO_NEW_PRIVILEGES & set(settings)
    assert {"CAP_SETUID", "CAP_SETGID"} <= set(settings["CapabilityBoundingSet"].split())


def test_it_comes_back_after_every_end_but_a_refusal_and_takes_no_job_along():
    settings = read_settings(make_unit(is_cluster=False))

    assert (settings["Restart"], settings["RestartPreventExitStatus"]) == ("always", "2")
    assert (settings["KillMode"], settings["Delegate"]) == ("process", "yes")


@pytest.mark.parametrize("home", ["/a\nUser=root", '/a"b', "/a\\b", "/a'b"])
def test_a_path_that_a_unit_cannot_hold_is_refused(home):
    with pytest.raises(UnitImpossible):
        make_unit(home=Path(home))
