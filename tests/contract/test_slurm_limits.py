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


def make_job(rig, *, accelerators=1, **whose):
    resources = Resources(accelerator="h100-sxm5", accelerators=accelerators)
    spec = RunSpec(name="job", command="sleep 60", walltime_s=120, isolation=Isolation.TRUSTED, resources=resources)
    return rig.make_job(spec, **whose)


def submit(rig, **wanted):
    return rig.engine.submit(job=make_job(rig, **wanted))


def show(rig, ref):
    """Return account and quality of service of a native job."""
    return rig.site.cluster.run("squeue", "--all", "--noheader", f"--name={ref}", "--format=%a %q").split()


def find_accounted(rig, ref):
    """Return account and quality of service of a native job by the accounting, once that knows it."""
    command = ("sacct", "--allocations", "--allusers", "--noheader", "--parsable2", f"--name={ref}")
    return wait_until(lambda: rig.site.cluster.run(*command, "--format=Account,QOS").strip(), within_s=30).split("|")


def wait_for_words(rig, ref, words):
    return wait_until(lambda: (seen := rig.find(ref)) and words in seen.detail and seen, within_s=30)


def find_missing(rig):
    facts = examine_cluster(home=rig.home, settings=rig.site.settings)
    return [problem for problem in judge_cluster(facts=facts).refusals if problem.code in MISSING]


def test_what_the_settings_name_and_slurm_lacks_is_refused_until_the_commands_that_it_prints_are_run(rig, name):
    change_settings(rig, accounts_by_organisation={"org_1": f"{name}a"}, qos_by_organisation={"org_1": f"{name}q"})

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
    change_settings(rig, accounts_by_organisation={"org_1": name})
    rig.wait_for(submit(rig, accelerators=2), AttemptState.RUNNING)

    waiting = wait_for_words(rig, submit(rig), "limit")

    assert waiting.detail == "The limit of its account on accelerators is reached."


def test_what_a_programme_lacks_in_slurm_is_refused_for_every_user_until_the_printed_commands_are_run(rig, name):
    change_settings(rig, accounts_by_programme={"prg_1": f"{name}a"}, qos_by_programme={"prg_1": f"{name}q"})

    for code in ("agent.account_missing", "agent.qos_missing"):
        [problem] = find_missing(rig)
        assert problem.code == code
        assert ",".join(sorted(rig.site.users)) in problem.message
        for command in re.findall(r"`sacctmgr ([^`]+)`", problem.message):
            administer(rig, command)

    assert find_missing(rig) == []
    for organisation in ("org_1", "org_2"):
        ref = submit(rig, organisation_id=organisation, charge_code="prg_1")
        assert show(rig, ref) == [f"{name}a", f"{name}q"]


def test_of_one_organisation_a_run_under_a_programme_waits_for_its_limit_and_one_beside_it_runs(rig, name):
    administer(rig, f"add qos {name},{name}o")
    administer(rig, f"modify qos {name} set MaxTRESPerUser=gres/gpu=2")
    for user in rig.site.users:
        administer(rig, f"modify user {user} set qos+={name},{name}o")
    change_settings(rig, qos_by_organisation={"org_1": f"{name}o"}, qos_by_programme={"prg_1": name})
    rig.wait_for(submit(rig, accelerators=2, charge_code="prg_1"), AttemptState.RUNNING)
    limited = make_job(rig, charge_code="prg_1")
    rig.engine.bring(job=limited, on_bytes=lambda _: None)
    rig.restart()
    second = rig.engine.submit(job=limited)

    waiting = wait_for_words(rig, second, "limit")
    beside = submit(rig)
    rig.wait_for(beside, AttemptState.RUNNING)

    assert waiting.detail == "The limit of its quality of service on accelerators for one user is reached."
    assert rig.look(second).state is AttemptState.QUEUED
    assert find_accounted(rig, second)[1] == name
    assert find_accounted(rig, beside)[1] == f"{name}o"


def test_the_limit_of_a_programmes_account_is_shared_by_all_organisations_for_whom_it_pays(rig, name):
    administer(rig, f"add account {name}")
    administer(rig, f"modify account {name} set GrpTRES=gres/gpu=2")
    administer(rig, f"add user {','.join(rig.site.users)} account={name}")
    change_settings(rig, accounts_by_programme={"prg_1": name})
    first = submit(rig, accelerators=2, charge_code="prg_1")
    rig.wait_for(first, AttemptState.RUNNING)
    second = submit(rig, organisation_id="org_2", charge_code="prg_1")

    waiting = wait_for_words(rig, second, "limit")
    beside = submit(rig, organisation_id="org_2")
    rig.wait_for(beside, AttemptState.RUNNING)

    assert waiting.detail == "The limit of its account on accelerators is reached."
    assert rig.look(second).state is AttemptState.QUEUED
    assert [find_accounted(rig, ref)[0] for ref in (first, second, beside)] == [name, name, rig.site.settings.account]
