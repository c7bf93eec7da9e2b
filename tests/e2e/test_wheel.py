"""What members and providers install: the wheel without its hub."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.machines import install_wheel


@pytest.fixture(scope="module")
def lilong(tmp_path_factory) -> Path:
    return install_wheel(folder=tmp_path_factory.mktemp("wheel"))


def run(*command, cwd):
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LILONG_")}
    return subprocess.run(command, env=ours, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_members_check_their_jobs_without_the_packages_of_a_hub(lilong, tmp_path):
    (tmp_path / "job.yaml").write_text("name: a\ncommand: echo hi\nwalltime: 1m\n")

    assert run(lilong.with_name("python"), "-c", "import django", cwd=tmp_path).returncode == 1
    assert json.loads(run(lilong, "check", "job.yaml", "--json", cwd=tmp_path).stdout)["ok"]


@pytest.mark.parametrize("command", ["init", "demo"])
def test_what_needs_the_hub_says_how_to_install_it_and_makes_nothing(lilong, tmp_path, command):
    done = run(lilong, command, "--home", "hub", cwd=tmp_path)

    assert done.returncode == 6
    assert "pip install 'lilong[hub]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
