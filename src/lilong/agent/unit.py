"""The unit with which systemd keeps an agent running. Pure: paths and names in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.main import EXIT_REFUSED
from lilong.common.systemd import join_command, quote_word, require_speakable

_COMMON = """\
[Unit]
Description=Lilong agent of {pool_id}
Wants=network-online.target
After=network-online.target
RequiresMountsFor={folders}
StartLimitIntervalSec=0

[Service]
Type=exec
User={user}
ExecStart={command}
WorkingDirectory=/
UMask=0022
Restart=always
RestartSec=5
# Refused for good: wrong settings, or another agent serves the pool.
RestartPreventExitStatus={refused}
# Jobs go on without the agent, and what it has under way ends by itself.
KillMode=process
"""

_OF_A_MACHINE = """\
# Jobs are its children; each gets a control group below its own.
Delegate=yes
OOMPolicy=continue
"""

_OF_A_CLUSTER = """\
# sudo has to gain rights for the helper. So this stays off, and so does all that would turn it on: SystemCallFilter=,
# RestrictAddressFamilies=, RestrictNamespaces=, RestrictSUIDSGID=, PrivateDevices=, ProtectKernelTunables= and others.
NoNewPrivileges=no
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SYS_RESOURCE CAP_DAC_READ_SEARCH CAP_AUDIT_WRITE
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={folders}
PrivateTmp=yes
ProtectControlGroups=yes
"""

_INSTALL = """
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Service:
    """An agent as a service: who runs it, with which interpreter, and the folders in which it and its helper write.

    is_cluster: it serves a Slurm cluster, and its jobs are not its children.
    """

    pool_id: str
    user: str
    python: Path
    home: Path
    folders: Sequence[Path]
    is_cluster: bool


def build_unit(*, service: Service) -> str:
    """Return the unit; raises UnitImpossible."""
    command = [str(service.python), "-m", "lilong.agent.main", "--home", str(service.home)]
    require_speakable((service.pool_id, service.user, *command, *map(str, service.folders)))
    text = _COMMON + (_OF_A_CLUSTER if service.is_cluster else _OF_A_MACHINE) + _INSTALL
    return text.format(
        pool_id=service.pool_id.replace("%", "%%"),
        user=service.user,
        command=join_command(command),
        folders=" ".join(quote_word(str(folder)) for folder in (service.home, *service.folders)),
        refused=EXIT_REFUSED,
    )
