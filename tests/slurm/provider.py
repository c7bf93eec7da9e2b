"""A provider who follows the tutorial: its cluster, its users, and the agent that serves it from then on."""

import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from pwd import getpwnam

from lilong.cli.demo.stage import Stage
from lilong.protocol.spec_yaml import parse_spec
from lilong.sdk.orders import Order
from lilong.sdk.runs import Run
from tests.architecture.house import REPOSITORY
from tests.machines import build_wheel
from tests.polling import wait_until
from tests.slurm.cluster import SlurmCluster
from tests.slurm.tutorial import Block, Shell, read_blocks
from tests.slurm.users import change_users, end_processes

PAGE = REPOSITORY / "docs" / "tutorials" / "connect-slurm.md"
MEMBERS = 3
JOB = """
name: hello
command: {command}
walltime: {walltime}
resources: {{cores: 1, memory: 128MiB, disk: 32MiB}}
outputs: [{{path: out.txt, max: 1KiB}}]
"""
UNTIL_LET_GO = "until [ -e go ]; do sleep 0.2; done; echo made > out.txt"
WITHIN_S = 90


@dataclass
class Provider:
    """A cluster with all that the tutorial has made for it, and what its commands have said, by heading."""

    stage: Stage
    cluster: SlurmCluster
    folder: Path
    root: Shell
    agent: Shell
    members: tuple[str, ...]
    said: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def home(self) -> Path:
        return self.agent.home / "agent"

    @property
    def unit(self) -> str:
        return (self.folder / "lilong-agent.service").read_text()

    def start(self) -> None:
        """Start what systemd would start, where as under it nothing of the user's own may be written."""
        command = shlex.split(re.findall(r"^ExecStart=(.*)$", self.unit, re.MULTILINE)[0])
        log = self.folder / "agent.log"
        self.process = self.agent.start(command, log=log, home=Path("/nonexistent"))

    def kill(self) -> None:
        """End the agent at once, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)
            self.process = None

    def lilong(self, command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as the agent's user, with its own folder where it names one."""
        return self.agent.run(f"lilong {command}")

    def order(self, command: str, *, walltime: str = "5m") -> Order:
        """Let the engineer order a small untrusted job."""
        spec = parse_spec(JOB.format(command=command, walltime=walltime).encode())
        return self.stage.engineer.orders.place(quote_id=self.stage.engineer.quotes.create(spec=spec).quote_id)

    def look(self, order: Order) -> Run:
        return self.stage.engineer.runs.get(order.run_id)

    def wait_for_state(self, order: Order, state: str) -> Run:
        """Return the run once its newest attempt is in this state."""

        def reached() -> Run | None:
            run = self.look(order)
            return run if run.attempts and run.attempts[-1].state == state else None

        return wait_until(reached, within_s=WITHIN_S, every_s=0.1)

    def let_go(self, order: Order) -> None:
        """Let a job end that runs UNTIL_LET_GO."""
        attempt_id = self.look(order).attempts[-1].id
        [work] = (self.folder / "shared" / "lilong" / "jobs").glob(f"*/{attempt_id}/job/work")
        (work / "go").touch()

    def wait_for_money(self, order: Order) -> Order:
        """Return the order once it is settled."""

        def settled() -> Order | None:
            now = self.stage.engineer.orders.get(order.id).order
            return now if now.settled_at else None

        return wait_until(settled, within_s=WITHIN_S, every_s=0.1)


@contextmanager
def following_the_tutorial(stage: Stage, cluster: SlurmCluster, folder: Path) -> Iterator[Provider]:
    """Run every block of the page in its order, as the user whom its heading names; take its users away afterwards."""
    prefix = f"lilong-t{secrets.token_hex(3)}"
    agent, group, members = f"{prefix}a", f"{prefix}g", [f"{prefix}m{number}" for number in range(1, MEMBERS + 1)]
    with ExitStack() as stack:
        stack.callback(remove_users, [agent, *members], group)
        for name in ("bin", "opt", "person", "shared", "etc"):
            (folder / name).mkdir(mode=0o755)
        stack.callback((Path("/etc/sudoers.d") / agent).unlink, missing_ok=True)
        wheel, locked = build_wheel(folder=folder / "etc")
        path = f"{folder}/bin:{cluster.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "LANG": "C.UTF-8"}
        root = Shell(None, folder / "person", {**environment, "SLURM_CONF": str(cluster.conf)})
        provider = Provider(stage, cluster, folder, root, Shell(agent, Path("/home") / agent, environment), (*members,))
        helper = f"--helper {folder}/libexec/job-helper --settings {folder}/etc/job-helper.json"
        elsewhere = f"--sudoers /etc/sudoers.d/{agent} --bin {cluster.bin} --slurm-conf {cluster.conf} {helper}"
        names = {
            "pip install lilong": f"pip install --quiet --constraint {locked} {wheel}",
            "/opt/lilong": f"{folder}/opt/lilong",
            "/usr/local/bin/lilong": f"{folder}/bin/lilong",
            "/shared/lilong": f"{folder}/shared/lilong",
            "/etc/systemd/system/lilong-agent.service": f"{folder}/lilong-agent.service",
            "systemctl enable --now lilong-agent": "true",
            "agent install-helper": f"agent install-helper {elsewhere}",
            "https://hub.example": stage.hub.url,
            "lilong-agent": agent,
            "lilong-members": group,
            "lilong$n": f"{prefix}m$n",
            **{f"lilong{number}": name for number, name in enumerate(members, start=1)},
            'partition = "gpu"': 'partition = "low"',
        }
        for block in read_blocks(PAGE, names=names):
            follow(block, provider)
        provider.start()
        stack.callback(provider.kill)
        yield provider


def follow(block: Block, provider: Provider) -> None:
    """Do what a block says: run its commands, or write its file into the folder of the agent's user."""
    if block.kind == "toml":
        here = f'helper = "{provider.folder}/libexec/job-helper"\nbin = "{provider.cluster.bin}"\n'
        here += f'conf = "{provider.cluster.conf}"\nlook_every_s = 0.5\n'
        path = provider.agent.home / "cluster.toml"
        path.write_text(block.text + here)
        path.chmod(0o644)
        return
    shell = provider.agent if block.title.endswith("the agent's user") else provider.root
    token = provider.stage.provider.tokens.create(name="cli", scopes=["read", "manage"], expires_in_s=3600).secret
    text = block.text
    if "JOIN_TOKEN" in text:
        join_token = re.findall(r"lilj_\S+", provider.said["4. A pool at the hub, as an admin of your organisation"])
        refuse_first(text.replace("JOIN_TOKEN", join_token[0]), provider)
        text = text.replace("JOIN_TOKEN", join_token[0])
    provider.said[block.title] = provider.said.get(block.title, "") + shell.do(text, stdin=token)


def refuse_first(join: str, provider: Provider) -> None:
    """Join with three mistakes in the settings: all are named, and the token is not spent."""
    text = (provider.agent.home / "cluster.toml").read_text()
    text = (
        text.replace('"low"', '"big"').replace(provider.members[2], "nobody-here").replace("shared/lilong/agent", "no")
    )
    wrong = provider.agent.home / "wrong.toml"
    wrong.write_text(text)
    wrong.chmod(0o644)
    done = provider.agent.run(join.replace("cluster.toml", "wrong.toml"))
    provider.said["refused"] = done.stderr
    assert done.returncode == 3, done.stdout + done.stderr


def sell(stage: Stage, pool_id: str, *, name: str, price_uc: int) -> None:
    """Offer the cores of a pool."""
    offer_id = stage.provider.offers.create(
        provider_id=stage.provider_id,
        pool_id=pool_id,
        name=name,
        unit="core_s",
        cores_per_unit=1,
        memory_mib_per_unit=4096,
    )
    stage.provider.offers.add_price(offer_id, price_uc=price_uc, source="Price list of today")


def remove_users(names: list[str], group: str) -> None:
    """Remove users with their homes and whatever still runs as them, and the group."""
    for name in names:
        with suppress(KeyError):
            remove_user(name, uid=getpwnam(name).pw_uid)
    with suppress(RuntimeError):
        change_users("groupdel", group)


def remove_user(name: str, *, uid: int) -> None:
    """Remove one of them."""
    wait_until(lambda: not end_processes(uid), within_s=30)
    change_users("userdel", "--force", name)
    shutil.rmtree(Path("/home") / name, ignore_errors=True)
