"""Commands of a provider: make a machine the agent of a pool, and let it serve."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.agent.checks import Preflight, check_agent, prove_cluster
from lilong.agent.engines.slurm.assembly import read_closed_accelerators
from lilong.agent.engines.slurm.install import (
    HELPER,
    HELPER_SETTINGS,
    PYTHON,
    SUDOERS,
    Installation,
    Step,
    install,
    plan_for_one_user,
    plan_installation,
)
from lilong.agent.engines.slurm.releasing import release_user
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.join import join_pool
from lilong.agent.settings import (
    FILE_NAME,
    AgentSettings,
    AgentSettingsInvalid,
    PackageSettings,
    read_settings,
    read_slurm_settings,
)
from lilong.agent.unit import Service, build_unit
from lilong.cli.output import (
    EXIT_UNEXPECTED,
    AsJson,
    errors_as_exit_codes,
    messages,
    print_finding,
    print_json,
    print_next_step,
    screen,
)
from lilong.common.errors import FieldProblem, InputInvalid

app = typer.Typer(help="For providers: connect a machine to a hub.", no_args_is_help=True)

AgentHome = Annotated[Path, typer.Option("--home", help="Folder of the agent's settings, spool and cache.")]
AGENT_HOME_DEFAULT = Path("lilong-agent")


class ReleaseUnconfirmed(InputInvalid):
    """What jobs left in the user's own home or running would be the next organisation's to read."""

    code = "agent.release_unconfirmed"
    title = "The user was not released"
    next_step = "Do what is named here, then say so with `--yes`."


@app.command()
def join(
    url: Annotated[str, typer.Argument(help="Address of the hub: https://, or http:// on this machine alone.")],
    token: Annotated[str, typer.Argument(help="Join token of the pool; works once.")],
    *,
    home: AgentHome = AGENT_HOME_DEFAULT,
    profile: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="A base interpreter, such as python3=/usr/bin/python3."),
    ] = None,
    slurm: Annotated[
        Path | None, typer.Option(help="Serve a Slurm cluster: a TOML file with what stands in [slurm] of agent.toml.")
    ] = None,
    index_url: Annotated[str, typer.Option(help="Package index from which environments are built.")] = "",
    as_json: AsJson = False,
) -> None:
    """Look at this machine or its cluster, join the pool of a token and write the agent's settings."""
    with errors_as_exit_codes(as_json=as_json):
        joined = join_pool(
            home=home.resolve(),
            hub_url=url,
            join_token=token,
            profiles=_read_profiles(profile or []) or None,
            slurm=read_slurm_settings(path=slurm) if slurm else None,
            packages=PackageSettings(index_url=index_url),
        )
        found = joined.preflight
        if as_json:
            print_json({"pool_id": joined.pool_id, "hub_id": joined.hub_id, **_describe_preflight(found)})
            return
        screen.print(f"Joined pool {joined.pool_id} with {_sum_up(found)}.")
        _print_problems("warning", found.warnings)
        print_next_step(
            f"`lilong agent serve --home {home}` starts it; `lilong agent unit --home {home}` prints a systemd unit."
        )


@app.command()
def check(*, home: AgentHome = AGENT_HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Look at all that the agent needs, hub and cluster included, and say how to mend what is wrong. Changes nothing.

    Exit code 1 when something keeps it from serving.
    """
    with errors_as_exit_codes(as_json=as_json):
        found = check_agent(home=home.resolve())
        if as_json:
            print_json({"ok": not found.refusals, **_describe_preflight(found)})
        else:
            _print_problems("refused", found.refusals)
            _print_problems("warning", found.warnings)
            verdict = (
                "cannot serve until what is refused is mended" if found.refusals else f"can serve {_sum_up(found)}"
            )
            screen.print(f"This agent {verdict}.")
    if found.refusals:
        raise SystemExit(EXIT_UNEXPECTED)


@app.command()
def prove(*, home: AgentHome = AGENT_HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Let a node of the Slurm cluster prove that it sandboxes untrusted work; restart the agent afterwards."""
    with errors_as_exit_codes(as_json=as_json):
        settings, slurm = _read_cluster(home)
        reason = prove_cluster(home=home.resolve(), profiles=settings.profiles, slurm=slurm)
        closed = read_closed_accelerators(home=home.resolve(), settings=slurm)
        if as_json:
            print_json({"sandbox": not reason, "reason": reason, "closed_accelerators": closed})
        elif reason:
            messages.print(f"[yellow]Untrusted work is refused: {reason}[/yellow]")
        else:
            messages.print("A node has run the probe in its sandbox, and nothing got through.")
            for accelerator, why in closed.items():
                messages.print(f"[yellow]Untrusted work gets no {accelerator}: {escape(why)}[/yellow]")
            print_next_step(f"Restart `lilong agent serve --home {home}`: it takes untrusted work then.")


@app.command()
def serve(home: AgentHome = AGENT_HOME_DEFAULT) -> None:
    """Serve the pool until stopped. Jobs go on when it stops, and are found again when it starts."""
    with errors_as_exit_codes(as_json=False):
        read_settings(home)
    os.execv(sys.executable, [sys.executable, "-m", "lilong.agent.main", "--home", str(home.resolve())])  # noqa: S606


@app.command()
def unit(*, home: AgentHome = AGENT_HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Print a unit with which systemd keeps this agent running as the user to whom its folder belongs."""
    with errors_as_exit_codes(as_json=as_json):
        home = home.resolve()
        settings = read_settings(home)
        text = build_unit(
            service=Service(
                pool_id=settings.pool_id,
                user=(home / FILE_NAME).owner(),
                python=Path(sys.executable),
                home=home,
                folders=(settings.slurm.shared_folder, settings.slurm.jobs_folder) if settings.slurm else (),
                is_cluster=settings.slurm is not None,
            )
        )
        if as_json:
            print_json({"unit": text})
            return
        sys.stdout.write(text)
        print_next_step(
            "Write it to /etc/systemd/system/lilong-agent.service, then `systemctl enable --now lilong-agent`."
        )


@app.command("release-user")
def release(
    name: Annotated[str, typer.Argument(help="A service user of the Slurm pool.")],
    *,
    home: AgentHome = AGENT_HOME_DEFAULT,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Its home is empty and nothing of it runs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a service user of a Slurm pool go from its organisation, so that another one can get it.

    Refused while attempts of that organisation are here, or jobs of that user are in the queue. The agent may go on.
    """
    with errors_as_exit_codes(as_json=as_json):
        _, slurm = _read_cluster(home)

        def confirm() -> None:
            if not yes:
                raise ReleaseUnconfirmed(
                    detail="What its jobs left would be the next organisation's. As root, on every node: "
                    f"`pkill -KILL -u {name}`; and once: `find ~{name} -mindepth 1 -delete`."
                )

        organisation_id = release_user(home=home.resolve(), settings=slurm, name=name, confirm=confirm)
        if as_json:
            print_json({"user": name, "organisation_id": organisation_id})
            return
        screen.print(f"{name} is free; it was {organisation_id}'s.")


@app.command()
def install_helper(
    *,
    shared_folder: Annotated[Path, typer.Option(help="Folder for attempts, under the same path on all nodes.")],
    agent_user: Annotated[str, typer.Option(help="User who runs the agent on this login node.")] = "lilong-agent",
    group: Annotated[str, typer.Option(help="Group of the users as whom members' jobs run.")] = "lilong-members",
    bin_folder: Annotated[Path, typer.Option("--bin", help="Folder of sbatch and scancel.")] = Path("/usr/bin"),
    slurm_conf: Annotated[Path | None, typer.Option(help="The cluster's slurm.conf, if it is elsewhere.")] = None,
    python: Annotated[Path, typer.Option(help="Interpreter of the helper: 3.6 or newer.")] = PYTHON,
    helper: Annotated[Path, typer.Option(help="The program to install.")] = HELPER,
    settings: Annotated[Path, typer.Option(help="The helper's settings.")] = HELPER_SETTINGS,
    sudoers: Annotated[Path, typer.Option(help="The file for sudo.")] = SUDOERS,
    single_user: Annotated[
        bool, typer.Option("--single-user", help="All jobs run as you: trusted pools only.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be made, and make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """For a Slurm pool, as root: let the agent act as members' users, by one program alone; again for new users."""
    with errors_as_exit_codes(as_json=as_json):
        wanted = Installation(
            agent_user, group, shared_folder, bin_folder, slurm_conf, python, helper, settings, sudoers
        )
        steps = plan_for_one_user(wanted=wanted) if single_user else plan_installation(wanted=wanted)
        made = [] if dry_run else install(steps=steps)
        if as_json:
            print_json({"steps": [_describe_step(step) for step in steps], "made": [str(path) for path in made]})
            return
        for step in steps:
            state = "to make" if dry_run and not step.is_done() else "made" if step.path in made else "there"
            screen.print(f"{state:8} {step.mode:04o} {step.uid}:{step.gid} {step.path}", markup=False)
            if dry_run and step.path in (settings, sudoers):
                screen.print((step.content or b"").decode(), markup=False)
        call = str(helper) if single_user else f"sudo -u {agent_user} sudo -n -u MEMBER -- {helper}"
        print_next_step(f"""Try it: echo '{{"op": "describe"}}' | {call}""")


def _read_cluster(home: Path) -> tuple[AgentSettings, SlurmSettings]:
    settings = read_settings(home.resolve())
    if settings.slurm is None:
        raise AgentSettingsInvalid(detail=f"{home / FILE_NAME} has no [slurm]: this is for an agent of a cluster.")
    return settings, settings.slurm


def _describe_preflight(found: Preflight) -> dict[str, object]:
    return {
        "profiles": found.profiles,
        "cores": found.cores,
        "memory_mib": found.memory_mib,
        "sandbox": found.sandbox,
        "refusals": [asdict(problem) for problem in found.refusals],
        "warnings": [asdict(problem) for problem in found.warnings],
    }


def _sum_up(found: Preflight) -> str:
    trust = "trusted and untrusted work" if found.sandbox else "trusted work alone"
    return f"{found.cores} cores and {found.memory_mib} MiB of memory, for {trust}"


def _print_problems(verdict: str, problems: Sequence[FieldProblem]) -> None:
    for problem in problems:
        print_finding(verdict=verdict, name=problem.path, message=problem.message)


def _read_profiles(texts: list[str]) -> dict[str, Path]:
    profiles: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not name or not equals or not Path(path).is_absolute():
            raise AgentSettingsInvalid(detail=f"{text!r} is not NAME=PATH with an absolute path.")
        profiles[name] = Path(path)
    return profiles


def _describe_step(step: Step) -> dict[str, object]:
    owner = {"path": str(step.path), "mode": f"{step.mode:04o}", "uid": step.uid, "gid": step.gid}
    return owner | {"is_file": step.content is not None, "is_done": step.is_done()}
