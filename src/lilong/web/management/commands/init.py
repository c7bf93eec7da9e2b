"""`lilong init`: make the hub's tables and keys, and a one-time token for an operator. Safe to run again."""

from argparse import ArgumentParser
from collections.abc import Mapping

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command

from lilong.common.django.commands import HubCommand
from lilong.common.django.key_files import read_or_make_key
from lilong.common.django.tables import TablesNewer, TablesOlder, read_table_steps
from lilong.common.errors import InputInvalid
from lilong.common.time import format_moment, utc_now
from lilong.foundation.members.public import bootstrap_operator


class EmailInvalid(InputInvalid):
    """The operator's address is none."""

    code = "hub.email_invalid"
    title = "This is not an email address"
    next_step = "Write it like name@example.org."


class Command(HubCommand):
    """Make the hub in its home folder."""

    help = "Make the hub's tables and keys and a one-time token for an operator."
    needs_tables = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the operator's address."""
        parser.add_argument("--email", default="operator@localhost")

    def answer(self, *, email: str, **_: object) -> Mapping[str, object]:
        """Make the tables, those of a beginning that was cut short too, and a token."""
        if email.count("@") != 1 or email != email.strip() or not all(email.split("@")):
            raise EmailInvalid(detail=repr(email))
        key = settings.LILONG.home / "keys" / "secrets.key"
        refusal = read_table_steps().refuse()
        if isinstance(refusal, TablesNewer) or (isinstance(refusal, TablesOlder) and key.exists()):
            raise refusal
        call_command("migrate", interactive=False, verbosity=0)
        read_or_make_key(path=key, make=Fernet.generate_key)
        token = bootstrap_operator(email=email, now=utc_now())
        return {
            "email": email,
            "one_time_token": token.secret,
            "expires_at": format_moment(token.expires_at),
            "public_url": settings.LILONG.public_url,
        }
