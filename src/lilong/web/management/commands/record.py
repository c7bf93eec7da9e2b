"""`lilong record …`: what an operator does with the record on the hub's own machine."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from lilong.common.errors import LilongError
from lilong.common.permissions import Actor, Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.record.public import end_restore, get_key_ring, rotate_key, seal, verify

# Whoever may start processes on the hub's machine holds its keys and database; no token says more.
ON_THE_MACHINE = Actor(person_id="operator@machine", role=Role.OPERATOR, scopes=frozenset({Scope.OPERATE}))


class Command(BaseCommand):
    """Verify the record, show or rotate its keys, end restore mode."""

    help = "Verify the record, show or rotate its keys, end restore mode."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare one sub-command for each."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("verify")
        actions.add_parser("keys")
        actions.add_parser("rotate-key")
        actions.add_parser("end-restore").add_argument("reason")

    def handle(self, *, action: str, reason: str = "", **_: object) -> None:
        """Do what was asked."""
        try:
            if action == "verify":
                self._verify()
            elif action == "keys":
                self._show_keys()
            elif action == "rotate-key":
                self.stdout.write(rotate_key(actor=ON_THE_MACHINE, now=utc_now()).text)
            else:
                end_restore(actor=ON_THE_MACHINE, reason=reason, now=utc_now())
        except LilongError as error:
            raise CommandError(f"{error.title}: {error}\n{error.next_step}") from error

    def _verify(self) -> None:
        report = verify()
        self.stdout.write(
            f"{report.entries} entries ({report.erased} erased) in {report.logs} logs, {report.heads} heads, "
            f"{report.witnessed} entries witnessed."
        )
        if report.problems:
            raise CommandError("\n".join(report.problems))

    def _show_keys(self) -> None:
        seal(now=utc_now())
        ring = get_key_ring()
        for key in (*ring.logs, *ring.witnesses):
            self.stderr.write(f"{key.fingerprint} {key.text}")
        self.stdout.write(ring.render().decode(), ending="")
