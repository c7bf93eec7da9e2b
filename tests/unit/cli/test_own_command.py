"""What the demo tells people to type works as it stands, however Lilong came to this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lilong.cli.own_command import find_own_command

PYTHON = Path(sys.executable)


def put_program(folder, *lines):
    folder.mkdir(parents=True)
    program = folder / "lilong"
    program.write_text("\n".join(("#!/bin/sh", *lines)))
    program.chmod(0o755)
    return folder


def call(command, *, folder, search_path):
    environment = os.environ | {"PATH": search_path}
    line = ["/bin/sh", "-c", f"{command} serve --help"]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def check(*, folder, search_path, python=PYTHON):
    """Return the command that is shown, after it was typed."""
    command = find_own_command(python=python, folder=folder, search_path=search_path)
    done = call(command, folder=folder, search_path=search_path)
    assert (done.returncode, "web, worker" in done.stdout) == (0, True), done.stderr
    return command


def test_it_is_called_by_its_name_where_the_shell_finds_this_very_program(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lilong").symlink_to(PYTHON.with_name("lilong"))

    assert check(folder=tmp_path, search_path=str(PYTHON.parent)) == "lilong"
    assert check(folder=tmp_path, search_path=str(tmp_path / "bin")) == "lilong"


@pytest.mark.parametrize("has_another", [False, True])
def test_in_a_clone_whose_environment_is_not_active_it_is_called_by_its_path(tmp_path, has_another):
    others = put_program(tmp_path / "others", "exit 9") if has_another else tmp_path / "nothing"
    clone = PYTHON.parents[2]

    inside = str(PYTHON.with_name("lilong").relative_to(clone))
    assert check(folder=clone, search_path=str(others)) == inside
    assert check(folder=tmp_path, search_path=str(others)) == str(PYTHON.with_name("lilong"))


def test_where_the_program_is_not_beside_its_interpreter_the_interpreter_runs_it(tmp_path):
    folder = put_program(tmp_path / "a folder", f'exec "{PYTHON}" "$@"')
    python = (folder / "lilong").rename(folder / "python")

    assert check(folder=folder, search_path="/nowhere", python=python) == "./python -m lilong.cli.main"
    assert check(folder=tmp_path, search_path="/nowhere", python=python) == "'a folder/python' -m lilong.cli.main"
