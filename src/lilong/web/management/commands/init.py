"""`lilong init`: make the hub's tables and keys, and a one-time token for an operator. Safe to run again."""

from argparse import ArgumentParser

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from lilong.common.django.key_files import read_or_make_key
from lilong.common.time import format_moment, utc_now
from lilong.foundation.members.public import bootstrap_operator


class Command(BaseCommand):
    """Make the hub in its home folder."""

    help = "Make the hub's tables and keys and print a one-time token for an operator."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the operator's address."""
        parser.add_argument("--email", default="operator@localhost")

    def handle(self, *, email: str, **_: object) -> None:
        """Bring the tables up to date, then print the token as the last line."""
        if email.count("@") != 1 or email != email.strip() or not all(email.split("@")):
            raise CommandError(f"{email!r} is not an email address.")
        call_command("migrate", interactive=False, verbosity=0)
        read_or_make_key(path=settings.LILONG.home / "keys" / "secrets.key", make=Fernet.generate_key)
        token = bootstrap_operator(email=email, now=utc_now())
        self.stdout.write(
            "The hub is ready. Start it with `lilong serve`, then sign in once with this token, "
            f"good until {format_moment(token.expires_at)}:"
        )
        self.stdout.write(token.secret)
