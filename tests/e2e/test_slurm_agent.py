"""A provider follows the tutorial, command by command, and an agent that is nobody serves a real cluster from then on.

Lilong is installed from its wheel; the agent, its helper and the members' jobs are users of their own.
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from pwd import getpwnam

import pytest

from lilong.agent.engines.slurm.users import HELD
from lilong.agent.hub import HubClient
from lilong.agent.join import join_pool
from lilong.agent.settings import read_settings, write_new_token
from lilong.agent.spool import read_json, write_json
from lilong.cli.demo.stage import Stage, Terms, wait_for
from lilong.common.money import UC_PER_CREDIT
from lilong.common.time import utc_now
from lilong.protocol.spec_yaml import parse_spec
from tests.hub import running_hub
from tests.polling import wait_until
from tests.slurm.cluster import running_cluster, shared_folder
from tests.slurm.provider import JOB, UNTIL_LET_GO, WITHIN_S, Provider, following_the_tutorial, remove_users, sell
from tests.slurm.tutorial import Shell, list_processes
from tests.slurm.users import change_users

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def provider(tmp_path_factory) -> Iterator[Provider]:
    missing = [name for name in ("sudo", "visudo", "useradd", "setpriv", "bwrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        assert os.environ.get("CI") != "true", missing
        pytest.skip(f"this takes root, and {', '.join(missing) or 'nothing else'}")
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        cluster = stack.enter_context(running_cluster(folder / "cluster", suite="trixie"))
        hub = stack.enter_context(running_hub(tmp_path_factory.mktemp("hub") / "hub"))
        stage = stack.enter_context(Stage(hub=hub, terms=Terms(wallet_uc=1_000 * UC_PER_CREDIT)))
        stage.appoint_operators()
        stage.admit_provider()
        provider = stack.enter_context(following_the_tutorial(stage, cluster, folder))
        [stage.pool_id] = [pool.id for pool in stage.provider.pools.list() if pool.name == "hall-2"]
        wait_for(lambda: stage.provider.pools.get(stage.pool_id).inventory, what="hear from the agent")
        stage.open_shop()
        stage.fund_programme()
        stage.sign_up_engineer()
        stage.top_up()
        yield provider


def test_what_the_tutorial_prints_is_what_it_promises(provider):
    joined = provider.said["5. Join, as the agent's user"]

    assert "Joined pool pool_" in joined
    assert "for trusted and untrusted work" in joined
    assert "This agent can serve 128 cores" in joined
    assert "refused" not in joined
    assert f"User={provider.agent.user}" in provider.unit


def test_every_mistake_in_the_settings_is_named_with_its_fix_at_once_and_costs_no_token(provider):
    said = provider.said["refused"]

    assert "partition: There is no partition 'big': `sinfo --all`" in said
    assert "service_users: This machine knows no user nobody-here: `useradd`" in said
    assert "shared_folder: There is no folder" in said
    assert f"`install -d -o {provider.agent.user}" in said
    assert "join again with the same token" in said


def test_a_check_while_it_serves_finds_nothing_to_mend_and_one_with_the_cluster_gone_says_so(provider):
    well = provider.lilong("agent check --home ~/agent --json")
    provider.cluster.stop_controller()
    try:
        ill = provider.lilong("agent check --home ~/agent")
    finally:
        provider.cluster.start_controller()
        provider.cluster.wait_until_idle()
        wait_until(lambda: count_healthy(provider.stage) == len(provider.cluster.nodes), within_s=WITHIN_S)
    told = json.loads(well.stdout)

    assert (well.returncode, told["ok"], told["refusals"], told["sandbox"]) == (0, True, [], True)
    assert {warning["code"] for warning in told["warnings"]} <= {"agent.processes_public", "agent.accelerator_closed"}
    assert ill.returncode == 1
    assert "slurm: The cluster does not answer" in ill.stdout
    assert "cannot serve until what is refused is mended" in ill.stdout


def count_healthy(stage: Stage) -> int:
    """Return how many nodes the hub has been told are well."""
    inventory = stage.provider.pools.get(stage.pool_id).inventory
    return sum(node.healthy for node in inventory.nodes) if inventory else 0


def test_a_members_job_runs_sandboxed_as_its_organisations_user_and_is_paid(provider):
    order = provider.order(f"id -u; hostname; sleep 2; {UNTIL_LET_GO}")  # Slurm counts whole seconds
    provider.wait_for_state(order, "running")
    owner = getpwnam(provider.members[0]).pw_uid
    running = [row for row in list_processes() if row[1].endswith("/bwrap")]
    ours = [row for row in list_processes() if str(provider.folder / "opt") in row[2] or "/shared/lilong/" in row[2]]
    provider.let_go(order)
    settled = provider.wait_for_money(order)
    run = provider.look(order)
    [artefact] = run.artefacts

    assert (settled.run_state, settled.charged_uc + settled.refunded_uc) == ("succeeded", settled.max_uc)
    assert settled.charged_uc > 0
    assert provider.stage.engineer.runs.read_log(run.id, attempt_number=1).content == b"1000\nnode\n"
    assert provider.stage.engineer.objects.read(artefact.sha256) == b"made\n"
    assert owner in {uid for uid, _, _ in running}
    assert ours
    assert not [row for row in ours if row[0] == 0 and not row[1].endswith("/sudo")]


def test_what_a_programme_pays_most_of_runs_under_the_account_that_the_provider_has_for_it(provider):
    toml, account = provider.home / "agent.toml", f"t{secrets.token_hex(4)}"
    before = toml.read_text()
    entry = f'accounts_by_programme = {{ "{provider.stage.programme_id}" = "{account}" }}'
    toml.write_text(before.replace("[slurm]\n", f"[slurm]\n{entry}\n"))
    missing = json.loads(provider.lilong("agent check --home ~/agent --json").stdout)["refusals"]
    for command in re.findall(r"`sacctmgr ([^`]+)`", " ".join(refusal["message"] for refusal in missing)):
        provider.cluster.run("sacctmgr", "--immediate", *command.split())
    mended = provider.lilong("agent check --home ~/agent")
    provider.kill()
    provider.start()
    order = provider.order(f"sleep 2; {UNTIL_LET_GO}")  # Slurm counts whole seconds
    attempt = provider.wait_for_state(order, "running").attempts[0]
    queue = provider.cluster.run("squeue", "--all", "--noheader", "--format=%a %j").splitlines()
    provider.let_go(order)
    settled = provider.wait_for_money(order)
    toml.write_text(before)
    provider.kill()
    provider.start()

    assert [refusal["code"] for refusal in missing] == ["agent.account_missing"]
    assert mended.returncode == 0
    assert [line.split()[0] for line in queue if attempt.id in line] == [account]
    assert (settled.run_state, settled.voucher_uc > 0) == ("succeeded", True)


def test_a_member_whose_job_waits_in_the_clusters_queue_reads_why_and_until_when(provider):
    whole = f"--partition=high --nodes={len(provider.cluster.nodes)} --exclusive --time=30 --output=/dev/null"
    provider.cluster.run("sbatch", *whole.split(), f"--uid={provider.members[1]}", "--chdir=/tmp", "--wrap=sleep 280")
    order = provider.order("echo made > out.txt")
    waiting = wait_until(lambda: (run := provider.look(order)).expected_start_at and run, within_s=WITHIN_S)
    detail = provider.stage.engineer.orders.get(order.id)
    provider.cluster.run("scancel", f"--user={provider.members[1]}")
    settled = provider.wait_for_money(order)
    over = provider.look(order)

    assert [attempt.state for attempt in waiting.attempts] == ["queued"]
    assert waiting.waiting_reason in {
        "it waits in pool hall-2: it is next in line and waits until enough of the cluster is free",
        "it waits in pool hall-2: jobs with a higher priority wait before it",
    }
    assert waiting.expected_start_basis == "scheduler"
    assert timedelta(minutes=20) < waiting.expected_start_at - utc_now() < timedelta(minutes=35)
    assert detail.expected_start_at == waiting.expected_start_at
    assert settled.run_state == "succeeded"
    assert (over.expected_start_at, over.expected_start_basis) == (None, None)


def test_neither_the_agents_user_nor_another_member_reads_what_a_job_has(provider):
    order = provider.order("echo secret > out.txt; sleep 60")
    attempt = provider.wait_for_state(order, "running").attempts[0]
    first, other = provider.members[:2]
    remote = provider.folder / "shared" / "lilong" / "jobs" / first / attempt.id
    local = provider.home / "spool" / attempt.id
    assert remote.is_dir()
    assert local.is_dir()
    stranger = Shell(other, Path("/"), provider.agent.environment)
    refused = [provider.agent.run(f"ls {remote}"), stranger.run(f"ls {remote}"), stranger.run(f"ls {local}")]
    refused += [stranger.run(f"cat {provider.home}/agent.toml"), stranger.run(f"sudo -n -u {first} -- true")]
    provider.stage.engineer.orders.cancel(order.id)
    provider.wait_for_money(order)

    assert [done.returncode != 0 and done.stdout == "" for done in refused] == [True] * len(refused)


def test_a_user_whose_organisation_has_work_here_is_not_released_and_afterwards_only_on_request(provider):
    order = provider.order("sleep 60")
    attempt = provider.wait_for_state(order, "running").attempts[0]
    name = provider.members[0]
    busy = provider.lilong(f"agent release-user {name} --home ~/agent --yes")
    provider.stage.engineer.orders.cancel(order.id)
    provider.wait_for_money(order)
    wait_until(lambda: not (provider.home / "spool" / attempt.id).exists(), within_s=WITHIN_S)
    unconfirmed = provider.lilong(f"agent release-user {name} --home ~/agent")
    held = read_json(provider.home / HELD)
    released = provider.lilong(f"agent release-user {name} --home ~/agent --yes --json")
    again = provider.lilong(f"agent release-user {name} --home ~/agent --yes")

    assert busy.returncode == 6
    assert attempt.id in busy.stderr
    assert "1 jobs in the queue" in busy.stderr
    assert unconfirmed.returncode == 3
    assert f"find ~{name} -mindepth 1 -delete" in unconfirmed.stderr
    assert held == {name: json.loads(released.stdout)["organisation_id"]}
    assert again.returncode == 5
    assert read_json(provider.home / HELD) == {}


def test_a_rotation_of_the_token_may_be_cut_off_anywhere_while_a_job_runs(provider):
    order = provider.order(UNTIL_LET_GO)
    provider.wait_for_state(order, "running")
    first = read_settings(provider.home).pool_token

    provider.kill()  # the hub had made a token, and its answer was lost
    ask_for_token(provider)
    make_token_old(provider)
    provider.start()
    second = wait_for_another_token(provider, than=first)
    provider.kill()  # the token was written down, and never used
    third = ask_for_token(provider)
    write_new_token(provider.home, pool_token=third)
    shutil.chown(provider.home / "agent.toml", provider.agent.user or "")
    make_token_old(provider)
    provider.start()
    fourth = wait_for_another_token(provider, than=third)
    provider.let_go(order)
    settled = provider.wait_for_money(order)

    assert len({first, second, third, fourth}) == 4
    assert settled.run_state == "succeeded"
    assert len(provider.look(order).attempts) == 1
    assert provider.lilong("agent check --home ~/agent").returncode == 0


def ask_for_token(provider: Provider) -> str:
    """Ask the hub for a token as the agent does, with its present one."""
    settings = read_settings(provider.home)
    hub = HubClient(hub_url=settings.hub_url, pool_token=settings.pool_token)
    try:
        return hub.rotate_token()
    finally:
        hub.close()


def make_token_old(provider: Provider) -> None:
    """Let the next agent think that its token is from long ago."""
    path = provider.home / "state.json"
    write_json(path, {**(read_json(path) or {}), "token_rotated_s": 1000})
    shutil.chown(path, provider.agent.user or "")


def wait_for_another_token(provider: Provider, *, than: str) -> str:
    """Return the agent's token once it is another one, and the agent has noted it."""

    def rotated() -> str:
        token = read_settings(provider.home).pool_token
        noted = (read_json(provider.home / "state.json") or {}).get("token_rotated_s") != 1000
        return token if token != than and noted else ""

    return wait_until(rotated, within_s=WITHIN_S)


def test_short_work_goes_on_before_maintenance_and_long_work_waits_for_its_end_and_says_so(provider):
    engineer = provider.stage.engineer
    provider.root.do('lilong pools maintenance hall-2 1h 2h --reason "new cooling"')
    listed = provider.root.do("lilong pools list")
    quote = engineer.quotes.create(spec=parse_spec(JOB.format(command="echo made > out.txt", walltime="2h").encode()))
    long = engineer.orders.place(quote_id=quote.quote_id)
    short = provider.wait_for_money(provider.order("echo made > out.txt", walltime="1m"))
    waiting = provider.look(long)
    provider.root.do("lilong pools cancel-maintenance hall-2")

    assert "(new cooling)" in listed
    assert [note.code for note in quote.notes] == ["offer.pool_maintenance"]
    assert short.run_state == "succeeded"
    assert [attempt.state for attempt in waiting.attempts] == ["created"]
    assert waiting.waiting_reason.startswith("pool hall-2 has maintenance from")
    assert waiting.waiting_reason.endswith("(new cooling): 2h could reach into it, so it begins after that")
    assert provider.wait_for_money(long).run_state == "succeeded"


def test_a_drained_pool_ends_what_runs_and_what_waits_goes_elsewhere_or_is_told_why(provider):
    stage = provider.stage
    runs = provider.order(UNTIL_LET_GO)
    provider.wait_for_state(runs, "running")
    provider.kill()  # so that what is ordered now was handed to nobody
    waits = provider.order("echo made > out.txt")
    connect_another_pool(stage)
    moves = provider.order("echo made > out.txt")
    first_pools = [provider.look(order).attempts[0].pool_id for order in (waits, moves)]
    provider.root.do("lilong pools drain hall-2")
    provider.start()
    moved = provider.wait_for_money(moves)
    provider.let_go(runs)
    ended = provider.wait_for_money(runs)
    refused = stage.engineer.quotes.create(spec=parse_spec(JOB.format(command="true", walltime="1m").encode())).notes
    told = provider.look(waits).waiting_reason
    provider.root.do("lilong pools resume hall-2")
    resumed = provider.wait_for_money(waits)

    assert first_pools == [stage.pool_id] * 2
    assert [moved.run_state, ended.run_state, resumed.run_state] == ["succeeded"] * 3
    assert [attempt.pool_id == stage.pool_id for attempt in provider.look(moves).attempts] == [True, False]
    assert provider.look(moves).attempts[0].detail == "Its pool takes no such work now; another pool takes the run."
    assert [attempt.pool_id for attempt in provider.look(runs).attempts] == [stage.pool_id]
    assert told == "pool hall-2 takes no new work at present"
    assert [note.code for note in refused] == ["offer.pool_draining"]


def connect_another_pool(stage: Stage) -> None:
    """Let the provider sell this machine, too, a little dearer."""
    organisation_id = stage.provider.organisations.get_me().organisation.id
    pool = stage.provider.pools.create(organisation_id=organisation_id, name="lane-1")
    token = stage.provider.pools.create_join_token(pool.id).token
    join_pool(home=stage.agent_home, hub_url=stage.hub.url, join_token=token)
    wait_for(lambda: stage.provider.pools.get(pool.id).inventory, what="hear from the other agent")
    sell(stage, pool.id, name="Cores of one machine", price_uc=stage.terms.price_uc + UC_PER_CREDIT)


def test_an_agent_that_is_stopped_ends_at_once_and_the_next_one_finds_the_job(provider):
    order = provider.order(UNTIL_LET_GO)
    provider.wait_for_state(order, "running")
    assert provider.process is not None
    began_s = time.monotonic()
    provider.process.terminate()
    code = provider.process.wait(timeout=30)
    seconds = time.monotonic() - began_s
    provider.start()
    provider.let_go(order)

    assert (code, seconds < 5) == (0, True)
    assert provider.wait_for_money(order).run_state == "succeeded"


@pytest.fixture
def alone(provider) -> Iterator[Shell]:
    """Yield the shell of somebody with an account on the cluster and no rights beyond."""
    name = f"lilong-t{secrets.token_hex(4)}"
    change_users("useradd", "--create-home", "--shell", "/bin/sh", name)
    provider.cluster.run("sacctmgr", "--immediate", "add", "user", name, "account=lilong")
    yield Shell(name, Path("/home") / name, provider.agent.environment)
    remove_users([name], name)


def test_somebody_without_root_serves_a_cluster_for_the_own_organisation(provider, alone):
    stage, home = provider.stage, alone.home
    organisation_id = stage.engineer.organisations.get_me().organisation.id
    provider_id = stage.provider.organisations.get_me().organisation.id
    pool = stage.provider.pools.create(organisation_id=provider_id, name="alone", engine="slurm")
    token = stage.provider.pools.create_join_token(pool.id).token
    elsewhere = f"--bin {provider.cluster.bin} --slurm-conf {provider.cluster.conf} --shared-folder {home}/jobs"
    refused = alone.run(f"lilong agent install-helper --single-user {elsewhere}")
    alone.do(
        f"mkdir shared; lilong agent install-helper --single-user {elsewhere} "
        f"--helper {home}/libexec/job-helper --settings {home}/job-helper.json"
    )
    (home / "cluster.toml").write_text(f"""
partition = "low"
shared_folder = "{home}/shared"
jobs_folder = "{home}/jobs"
users = {{ "{organisation_id}" = "{alone.user}" }}
helper = "{home}/libexec/job-helper"
bin = "{provider.cluster.bin}"
conf = "{provider.cluster.conf}"
look_every_s = 0.5
""")
    joined = alone.do(f"lilong agent join {stage.hub.url} {token} --home ~/agent --slurm cluster.toml 2>&1")
    serve = [f"{provider.folder}/bin/lilong", "agent", "serve", "--home", f"{home}/agent"]
    process = alone.start(serve, log=provider.folder / "alone.log", home=home)
    try:
        wait_for(lambda: stage.provider.pools.get(pool.id).inventory, what="hear from the agent of one user")
        sell(stage, pool.id, name="Cores of somebody", price_uc=stage.terms.price_uc)
        provider.root.do("lilong pools drain hall-2")
        trusted = f"isolation: trusted\n{JOB}".format(command="sleep 2; id -un > out.txt", walltime="1m")
        quote = stage.engineer.quotes.create(spec=parse_spec(trusted.encode()))
        settled = provider.wait_for_money(stage.engineer.orders.place(quote_id=quote.quote_id))
    finally:
        provider.root.do("lilong pools resume hall-2")
        process.kill()
        process.wait(timeout=30)
    run, inventory = provider.look(settled), stage.provider.pools.get(pool.id).inventory
    [artefact] = run.artefacts

    assert "is not yours to write in: name --helper and --settings" in refused.stderr
    assert "for trusted work alone" in joined
    assert "they can read its token" in joined
    assert [attempt.pool_id for attempt in run.attempts] == [pool.id]
    assert (settled.run_state, settled.charged_uc > 0) == ("succeeded", True)
    assert stage.engineer.objects.read(artefact.sha256).decode().strip() == alone.user
    assert inventory is not None
    assert not inventory.capabilities.sandbox
    assert inventory.capabilities.sandbox_reason.startswith("jobs run as the agent's own user here")
