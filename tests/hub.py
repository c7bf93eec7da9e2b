"""A real hub in a folder: web, worker, agent and a witness as processes of their own, spoken to over HTTP.

For whatever needs the whole: `with running_hub(folder) as hub: hub.sign_in_operator().…`. What runs longer than one
test may keep it in a fixture of its own scope.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lilong.cli.local_hub import LocalHub
from lilong.sdk.client import Lilong
from tests.polling import wait_until

ALL_SCOPES = ("manage", "operate", "pay", "read", "run")


class HubForTests(LocalHub):
    """A local hub with the people that tests need. Clients are closed with the hub."""

    def __init__(
        self,
        *,
        home: Path,
        settings: Mapping[str, str | int | bool | Sequence[str]] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home=home, settings=settings, environment=environment)
        self._clients = ExitStack()
        self._operators: list[Lilong] = []

    def connect(self, *, token: str = "") -> Lilong:
        """Return a client with this token."""
        return self._clients.enter_context(Lilong(url=self.url, token=token))

    def list_operators(self, count: int) -> list[Lilong]:
        """Return clients of `count` different operators, the first of whom opens cases and the others decide them."""
        while len(self._operators) < count:
            number = len(self._operators) + 1
            if number == 1:
                once = self.one_time_token
            else:
                first = self._operators[0].members
                added = first.add(email=f"operator{number}@hub.example", name=f"Operator {number}", role="operator")
                once = added.one_time_token.secret
            token = self.connect().tokens.exchange(token=once, name=f"test {number}").secret
            self._operators.append(self.connect(token=token))
        return self._operators[:count]

    def approve(self, case_id: str) -> None:
        """Let two operators approve what a third one asked for."""
        for operator in self.list_operators(3)[1:]:
            operator.cases.decide(case_id, decision="approve", reason="The payment is on the bank statement.")

    def sign_up(self, name: str, *, kind: str = "resident") -> Lilong:
        """Return the owner of a fresh organisation, once it is admitted."""
        email = f"{name.lower().replace(' ', '.')}@example.org"
        made = self.connect().organisations.sign_up(
            name=name, kind=kind, owner_email=email, owner_name=f"{name}'s owner"
        )
        owner = self.connect(token=made.token.secret)
        wait_until(lambda: owner.organisations.get_me().organisation.state == "admitted", within_s=60)
        return owner

    def kill(self, name: str) -> int:
        """Kill web, worker or agent by SIGKILL and return the process id it had; `serve` starts it again."""
        pid = wait_until(lambda: self.find_pid(name) or 0, within_s=30)
        os.kill(pid, signal.SIGKILL)
        return pid

    def close(self) -> None:
        """End the hub and all clients."""
        self._clients.close()
        self.stop()


@contextmanager
def running_hub(
    folder: Path,
    *,
    settings: Mapping[str, str | int | bool | Sequence[str]] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[HubForTests]:
    """Make a hub in `folder` and run it for the length of the block.

    settings: further lines of settings.toml, such as {"outbox_delivery": False}; environment: over ours for all
    processes, such as {"LILONG_DATABASE_URL": "postgresql://…"}.
    """
    hub = HubForTests(home=folder, settings=settings, environment=environment)
    try:
        hub.make()
        hub.start()
        yield hub
    finally:
        hub.close()
