"""The units with which systemd keeps web and worker of a hub running, and the command that prints them."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lilong.cli.hub import HOME_DEFAULT, Home
from lilong.cli.hub_process import require_home
from lilong.cli.output import AsJson, errors_as_exit_codes, print_json, print_next_step
from lilong.common.systemd import join_command, quote_word, require_speakable

app = typer.Typer()

# Refused until a person acts: by `lilong web` or `worker` (6, a conflict) or by the process that it becomes (4).
REFUSED = "4 6"

_UNIT = """\
[Unit]
Description=Lilong {part} of the hub in {home}
Wants=network-online.target
After=network-online.target postgresql.service
RequiresMountsFor={home}
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
ExecStart={command}
WorkingDirectory=/
UMask=0077
Restart=always
RestartSec=5
# Refused for good: tables of another version, or no hub in the folder.
RestartPreventExitStatus={refused}
KillMode=mixed
TimeoutStopSec=30
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
# The painter of charts asks for memory protection keys, and makes machine code while it runs.
SystemCallFilter=@system-service @pkey

[Install]
WantedBy=multi-user.target
"""


class Part(StrEnum):
    """A process of a hub that systemd keeps running."""

    WEB = "web"
    WORKER = "worker"


def build_unit(*, part: Part, user: str, python: Path, home: Path) -> str:
    """Return the unit of this part of the hub in `home`; raises UnitImpossible."""
    command = [str(python), "-m", "lilong.cli.main", part, "--home", str(home)]
    require_speakable((user, *command))
    return _UNIT.format(
        part=part, user=user, command=join_command(command), home=quote_word(str(home)), refused=REFUSED
    )


@app.command()
def unit(
    part: Annotated[Part, typer.Argument(help="Which process of the hub.")],
    *,
    home: Home = HOME_DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Print a unit with which systemd keeps web or worker running as the user to whom the home belongs."""
    with errors_as_exit_codes(as_json=as_json):
        home = home.resolve()
        require_home(home)
        text = build_unit(part=part, user=home.owner(), python=Path(sys.executable), home=home)
        if as_json:
            print_json({"unit": text})
            return
        sys.stdout.write(text)
        name = f"lilong-{part}"
        print_next_step(f"Write it to /etc/systemd/system/{name}.service, then `systemctl enable --now {name}`.")
