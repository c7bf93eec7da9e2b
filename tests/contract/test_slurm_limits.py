"""Accounts, qualities of service and their limits: whose jobs go where, what is missing, and what a full limit says."""

import re
import secrets
import shlex
from dataclasses import replace

import pytest

from lilong.agent.engines.slurm.examining import examine_cluster
from lilong.agent.engines.slurm.preflight import judge_cluster
from lilong.protocol.messages import AttemptState
from lilong.protocol.spec import Isolation, Resources, RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES

MISSING = {"agent.account_missing", "agent.qos_missing"}


@pytest.fixture(params=SUITES)
def rig(request, tmp_path):
    rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    yield rig
    rig.close()


@pytest.fixture
def name():
    """Return a name that no account and no quality of service has yet."""
    return f"t{secrets.token_hex(4)}"


def administer(rig, command):
    rig.site.cluster.run("sacctmgr", "--immediate", *shlex.split(command))


def change_settings(rig, **settings):
    rig.site = replace(rig.site, settings=rig.site.settings.model_copy(update=settings))
    rig.restart()


def submit(rig, *, accelerators=1):
    resources = Resources(accelerator="h100-sxm5", accelerators=accelerators)
    spec = RunSpec(name="job", command="sleep 60", walltime_s=120, isolation=Isolation.TRUSTED, resources=resources)
    return rig.engine.submit(job=rig.make_job(spec))


def show(rig, ref):
    """Return account and quality of service of a native job."""
    return rig.site.cluster.run("squeue", "--all", "--noheader", f"--name={ref}", "--format=%a %q").split()


def wait_for_words(rig, ref, words):
    return wait_until(lambda: (seen := rig.find(ref)) and words in seen.detail and seen, within_s=30)


def find_missing(rig):
    facts = examine_cluster(home=rig.home, settings=rig.site.settings)
    return [problem for problem in judge_cluster(facts=facts).refusals if problem.code in MISSING]


def test_what_the_settings_name_and_slurm_lacks_is_refused_until_the_commands_that_it_prints_are_run(rig, name):
    change_settings(rig, accounts={"org_1": f"{name}a"}, qos_by_organisation={"org_1": f"{name}q"})

    for code in ("agent.account_missing", "agent.qos_missing"):
        [problem] = find_missing(rig)
        assert problem.code == code
        for command in re.findall(r"`sacctmgr ([^`]+)`", problem.message):
            administer(rig, command)

    assert find_missing(rig) == []
    assert show(rig, submit(rig)) == [f"{name}a", f"{name}q"]


def test_a_limit_of_the_quality_of_service_of_an_organisation_is_named_in_plain_words(rig, name):
    administer(rig, f"add qos {name}")
    administer(rig, f"modify qos {name} set MaxTRESPerUser=gres/gpu=2")
    for user in rig.site.users:
        administer(rig, f"modify user {user} set qos+={name}")
    change_settings(rig, qos_by_organisation={"org_1": name})
    first = submit(rig, accelerators=2)
    rig.wait_for(first, AttemptState.RUNNING)
    second = submit(rig)

    waiting = wait_for_words(rig, second, "limit")

    assert show(rig, first)[1] == name
    assert waiting.state is AttemptState.QUEUED
    assert waiting.detail == "The limit of its quality of service on accelerators for one user is reached."


def test_a_limit_of_the_account_of_an_organisation_is_named_in_plain_words(rig, name):
    administer(rig, f"add account {name}")
    administer(rig, f"modify account {name} set GrpTRES=gres/gpu=2")
    administer(rig, f"add user {','.join(rig.site.users)} account={name}")
    change_settings(rig, accounts={"org_1": name})
    rig.wait_for(submit(rig, accelerators=2), AttemptState.RUNNING)

    waiting = wait_for_words(rig, submit(rig), "limit")

    assert waiting.detail == "The limit of its account on accelerators is reached."
