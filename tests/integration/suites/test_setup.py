"""What the scripts behind `make` say on machines that lack something; none of them installs anything here."""

import os
import subprocess

import pytest

from tests.architecture.house import REPOSITORY
from tests.machines import make_path_without

pytestmark = pytest.mark.sqlite


def run(script, *arguments, cwd, **environment):
    ours = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTHONPATH"}}
    command = ["sh", str(REPOSITORY / "setup" / script), *arguments]
    return subprocess.run(command, env=ours | environment, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_python_without_ensurepip_is_told_which_package_has_it(tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    done = run("environment", cwd=tmp_path, PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_machine_without_a_fit_python_is_told_which_one_is_needed(tmp_path):
    done = run("environment", cwd=tmp_path, PYTHON="none-of-this-name")

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_where_nothing_may_be_installed_it_says_loudly_what_that_costs_and_goes_on(tmp_path):
    path = make_path_without("bwrap", "apt-get", folder=tmp_path / "bin")
    done = run("system-packages", "bubblewrap", cwd=tmp_path, PATH=path)

    assert done.returncode == 0
    assert "MISSING: bubblewrap" in done.stderr
    assert "untrusted jobs are refused" in done.stderr
    assert run("system-packages", "bubblewrap", cwd=tmp_path, PATH=path, CI="true").returncode == 1


def test_what_is_there_is_not_mentioned(tmp_path):
    done = run("system-packages", "make", cwd=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
