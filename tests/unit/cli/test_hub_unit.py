"""The units of web and worker, read by systemd's own checker."""

import sys
from pathlib import Path

import pytest

from lilong.cli.hub_unit import Part, build_unit
from lilong.common.systemd import UnitImpossible
from tests.units import read_settings, verify


def make_unit(part=Part.WEB, *, python=Path(sys.executable), home=Path("/var/lib/lilong")):
    return build_unit(part=part, user="daemon", python=python, home=home)


@pytest.mark.parametrize("part", list(Part))
@pytest.mark.parametrize("name", ["hub", "50% of 上海 & $HOME {pool}"])
def test_systemd_finds_nothing_wrong_with_it_whatever_the_folders_are_called(tmp_path, part, name):
    home = tmp_path / name
    home.mkdir()
    python = home / "python"
    python.symlink_to(sys.executable)

    assert verify(make_unit(part, home=home, python=python), tmp_path, name=f"lilong-{part}") == (0, "")


def test_it_comes_back_after_every_end_but_a_refusal():
    settings = read_settings(make_unit())

    assert (settings["Restart"], settings["RestartPreventExitStatus"]) == ("always", "4 6")


@pytest.mark.parametrize("part", list(Part))
def test_it_may_write_in_the_home_alone_and_gains_no_rights(part):
    settings = read_settings(make_unit(part))

    assert (settings["ProtectSystem"], settings["ReadWritePaths"]) == ("strict", "/var/lib/lilong")
    assert (settings["NoNewPrivileges"], settings["CapabilityBoundingSet"]) == ("yes", "")
    assert settings["UMask"] == "0077"


def test_it_allows_what_the_painter_of_charts_asks_for():
    settings = read_settings(make_unit())

    assert settings["SystemCallFilter"].split() == ["@system-service", "@pkey"]
    assert "MemoryDenyWriteExecute" not in settings


@pytest.mark.parametrize("home", ["/a\nUser=root", '/a"b', "/a\\b"])
def test_a_path_that_a_unit_cannot_hold_is_refused(home):
    with pytest.raises(UnitImpossible):
        make_unit(home=Path(home))
