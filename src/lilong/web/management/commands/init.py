"""`lilong init`: make the hub's tables and keys, and a one-time token for an operator. Safe to run again."""

from argparse import ArgumentParser

from django.core.management import call_command
from django.core.management.base import BaseCommand

from lilong.common.time import utc_now
from lilong.foundation.members.public import bootstrap_operator


class Command(BaseCommand):
    """Make the hub in its home folder."""

    help = "Make the hub's tables and keys and print a one-time token for an operator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the operator's address."""
        parser.add_argument("--email", default="operator@localhost")

    def handle(self, *, email: str, **_: object) -> None:
        """Bring the tables up to date, then print the token as the last line."""
        call_command("migrate", interactive=False, verbosity=0)
        token = bootstrap_operator(email=email, now=utc_now())
        self.stdout.write("The hub is ready. Start it with `lilong serve`, then sign in once with this token:")
        self.stdout.write(token.secret)
