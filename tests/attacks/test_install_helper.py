"""The helper is installed in full or not at all, and not for users and folders that could not keep members apart."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lilong.agent.engines.slurm.identity import Upload
from lilong.agent.engines.slurm.install import (
    HelperUnfit,
    Installation,
    RootNeeded,
    Step,
    install,
    plan_for_one_user,
    plan_installation,
)
from lilong.cli.main import app
from lilong.common.errors import EngineRefused
from tests.attacks.login_node import ATTEMPTS, PYTHON, run

runner = CliRunner()


def options(wanted):
    named = {
        "shared-folder": wanted.shared_folder, "agent-user": wanted.agent_user, "group": wanted.group,
        "bin": wanted.bin_folder, "helper": wanted.helper, "settings": wanted.settings, "sudoers": wanted.sudoers,
        "slurm-conf": wanted.slurm_conf,
    }  # fmt: skip
    return ["agent", "install-helper", *(f"--{name}={value}" for name, value in named.items())]


def test_everything_installed_is_roots_and_as_closed_as_it_can_be(node):
    wanted = node.wanted
    paths = [wanted.helper, wanted.helper.with_name("hostile_folder.py"), wanted.settings, wanted.sudoers]
    facts = [path.lstat() for path in [*paths, wanted.shared_folder, node.ground(node.ann)]]

    assert [oct(stat.S_IMODE(one.st_mode)) for one in facts] == ["0o755", "0o644", "0o644", "0o440", "0o711", "0o700"]
    assert [one.st_uid for one in facts[:-1]] == [0] * 5
    assert facts[-1].st_uid == node.home(node.ann).stat().st_uid


def test_installing_again_changes_only_what_differs(node):
    assert install(steps=plan_installation(wanted=node.wanted)) == []
    node.wanted.settings.chmod(0o666)
    node.wanted.helper.write_text("changed")

    assert install(steps=plan_installation(wanted=node.wanted)) == [node.wanted.helper, node.wanted.settings]
    assert node.job_user(node.ann).find_folder()


def test_a_user_who_joins_the_group_gets_a_folder_when_it_is_installed_again(node):
    eve = node.add_user("eve")
    with pytest.raises(EngineRefused, match="install-helper"):
        node.job_user(eve).find_folder()

    assert install(steps=plan_installation(wanted=node.wanted)) == [node.ground(eve)]
    assert node.job_user(eve).find_folder() == node.ground(eve)
    run("gpasswd", "--delete", eve, node.group)


def test_the_command_shows_what_it_would_do_and_does_it(node):
    node.wanted.sudoers.unlink()

    shown = runner.invoke(app, [*options(node.wanted), "--dry-run"])

    assert shown.exit_code == 0
    assert f"to make  0440 0:0 {node.wanted.sudoers}" in shown.stdout
    assert f'{node.agent} ALL=(%{node.group}) NOPASSWD: NOSETENV: {node.wanted.helper} ""' in shown.stdout
    assert not node.wanted.sudoers.exists()
    done = runner.invoke(app, options(node.wanted))
    assert done.exit_code == 0
    assert f"made     0440 0:0 {node.wanted.sudoers}" in done.stdout
    assert "Try it:" in done.stderr


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"group": "root"}, "same user as root"),
        ({"agent_user": "root"}, "never runs as root"),
        ({"group": "lilong-t-nobody"}, "lilong-t-nobody"),
        ({"agent_user": "ALL"}, "ALL"),
        ({"agent_user": "a b"}, "no name"),
        ({"group": "x) ALL"}, "no name"),
        ({"shared_folder": Path("relative")}, "absolute path"),
        ({"shared_folder": Path("/tmp")}, "has to be a folder of root"),
        ({"shared_folder": Path("/no/where")}, "no folder"),
        ({"helper": Path("/tmp/job-helper")}, "can be changed by others"),
        ({"helper": Path("/usr/local/a b")}, "absolute path"),
        ({"helper": Path("/usr/local/../../tmp/x")}, "absolute path"),
        ({"settings": Path("/tmp/settings.json")}, "can be changed by others"),
        ({"bin_folder": Path("/etc")}, "sbatch is no program"),
        ({"sudoers": Path("/etc/sudoers.d/lilong.agent")}, "no file with a dot"),
        ({"slurm_conf": Path('/etc/"x')}, "absolute path"),
        ({"python": Path("/usr/bin/none")}, "no program"),
        ({"python": Path("/bin/false")}, "no Python"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_written(node, change, why):
    with pytest.raises(HelperUnfit, match=why):
        plan_installation(wanted=replace(node.wanted, **change))


def test_the_agents_own_user_is_never_a_member(node):
    with pytest.raises(HelperUnfit, match="same user as"):
        plan_installation(wanted=replace(node.wanted, agent_user=node.ann))


def test_a_folder_that_is_another_users_is_not_taken(node):
    ground, ann, bob = node.ground(node.ann), node.home(node.ann).stat().st_uid, node.home(node.bob).stat().st_uid
    os.chown(ground, bob, -1)
    with pytest.raises(HelperUnfit, match="is no folder of"):
        plan_installation(wanted=node.wanted)
    with pytest.raises(EngineRefused, match="is no folder of"):
        node.job_user(node.ann).find_folder()
    os.chown(ground, ann, -1)


def test_a_line_that_sudo_would_not_read_is_not_put_in_place(node):
    before = node.wanted.sudoers.read_bytes()
    with pytest.raises(HelperUnfit, match="visudo"):
        install(steps=(Step(node.wanted.sudoers, 0o440, 0, 0, content=b"nonsense ALL\n"),))
    assert node.wanted.sudoers.read_bytes() == before


def become_effectively(monkeypatch, uid):
    """Let the installer see another user: what it then makes is that user's."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: uid)


def test_without_root_nothing_is_written_for_others(node, monkeypatch):
    node.wanted.settings.unlink()

    steps = plan_installation(wanted=node.wanted)
    with monkeypatch.context() as patch:
        become_effectively(patch, node.home(node.agent).stat().st_uid)
        with pytest.raises(RootNeeded):
            install(steps=steps)
    assert not node.wanted.settings.exists()


@pytest.fixture
def alone(node, monkeypatch):
    """Return an installation by which the agent's own user runs all jobs."""
    home = node.home(node.agent)
    wanted = Installation(
        agent_user=node.agent, group=node.group, shared_folder=home / "jobs", bin_folder=node.wanted.bin_folder,
        helper=home / "job-helper", settings=home / "job-helper.json",
    )  # fmt: skip
    with monkeypatch.context() as patch:
        become_effectively(patch, home.stat().st_uid)
        install(steps=plan_for_one_user(wanted=wanted))
    return wanted


def test_where_agent_and_jobs_are_one_user_no_sudo_is_needed(node, alone):
    python = node.folder / "python-as-agent"
    python.write_text(f'#!/bin/sh\nexec {" ".join(node.become(node.agent))} {PYTHON} "$@"\n')
    python.chmod(0o755)
    user = node.job_user(node.agent, helper=alone.helper, python=python, sudo="/bin/false")

    user.put(attempt_id=ATTEMPTS[0], uploads=[Upload("a", b"1")])

    assert user.find_folder() == alone.shared_folder / node.agent
    assert (alone.shared_folder / node.agent / ATTEMPTS[0] / "a").read_bytes() == b"1"
    with pytest.raises(HelperUnfit, match="as that user"):
        plan_for_one_user(wanted=alone)


def test_a_helper_for_one_user_works_for_no_other(node, alone):
    node.home(node.agent).chmod(0o755)

    done = node.act(node.ann, alone.helper, given=b'{"op": "describe"}\n')

    assert b'"error": "user"' in done.stdout
