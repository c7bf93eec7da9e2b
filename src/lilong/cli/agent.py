"""Commands of a provider: make a machine the agent of a pool, and let it serve."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

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
from lilong.agent.join import join_pool, prove_cluster
from lilong.agent.settings import AgentSettingsInvalid, PackageSettings, read_settings, read_slurm_settings
from lilong.cli.output import AsJson, errors_as_exit_codes, messages, print_json, print_next_step, screen

app = typer.Typer(help="For providers: connect a machine to a hub.", no_args_is_help=True)

AgentHome = Annotated[Path, typer.Option("--home", help="Folder of the agent's settings, spool and cache.")]
AGENT_HOME_DEFAULT = Path("lilong-agent")


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
            print_json(
                {
                    "pool_id": joined.pool_id,
                    "hub_id": joined.hub_id,
                    "profiles": found.profiles,
                    "cores": found.cores,
                    "memory_mib": found.memory_mib,
                    "sandbox": found.sandbox,
                    "warnings": found.warnings,
                }
            )
            return
        messages.print(f"Joined pool {joined.pool_id} with {found.cores} cores and {found.memory_mib} MiB of memory.")
        for warning in found.warnings:
            messages.print(f"[yellow]{warning}[/yellow]")
        print_next_step(f"`lilong agent serve --home {home}` starts it; let your service manager keep it running.")


@app.command()
def prove(*, home: AgentHome = AGENT_HOME_DEFAULT, as_json: AsJson = False) -> None:
    """Let a node of the Slurm cluster prove that it sandboxes untrusted work; restart the agent afterwards."""
    with errors_as_exit_codes(as_json=as_json):
        settings = read_settings(home.resolve())
        if settings.slurm is None:
            raise AgentSettingsInvalid(
                detail="There is no [slurm] here: an agent of a machine proves it at each start."
            )
        reason = prove_cluster(home=home.resolve(), profiles=settings.profiles, slurm=settings.slurm)
        if as_json:
            print_json({"sandbox": not reason, "reason": reason})
        elif reason:
            messages.print(f"[yellow]Untrusted work is refused: {reason}[/yellow]")
        else:
            messages.print("A node has run the probe in its sandbox, and nothing got through.")
            print_next_step(f"Restart `lilong agent serve --home {home}`: it takes untrusted work then.")


@app.command()
def serve(home: AgentHome = AGENT_HOME_DEFAULT) -> None:
    """Serve the pool until stopped. Jobs go on when it stops, and are found again when it starts."""
    with errors_as_exit_codes(as_json=False):
        read_settings(home)
    os.execv(sys.executable, [sys.executable, "-m", "lilong.agent.main", "--home", str(home.resolve())])  # noqa: S606


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
