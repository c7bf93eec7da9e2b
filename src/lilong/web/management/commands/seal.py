"""`lilong seal …`: what an operator does with the keys that seal what the database keeps."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict

from lilong.common.django.commands import HubCommand
from lilong.common.time import format_moment, utc_now
from lilong.web.sealing import drop_old_keys, rotate_key


class Command(HubCommand):
    """Rotate the sealing key, or drop older ones."""

    help = "Rotate the sealing key, or drop older ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare one sub-command for each."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("rotate-key")
        actions.add_parser("drop-old-keys")

    def answer(self, *, action: str, **_: object) -> Mapping[str, object]:
        """Do what was asked."""
        if action == "drop-old-keys":
            return {"dropped": drop_old_keys(now=utc_now())}
        done = rotate_key()
        return asdict(done) | {"older_may_go_at": format_moment(done.older_may_go_at)}
