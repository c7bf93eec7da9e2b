"""`lilong record …`: what an operator does with the record on the hub's own machine."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict

from lilong.common.django.commands import HubCommand
from lilong.common.permissions import Actor, Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.record.public import end_restore, get_key_ring, rotate_key, seal, verify
from lilong.protocol.evidence import KeyRingIncomplete

# Whoever may start processes on the hub's machine holds its keys and database; no token says more.
ON_THE_MACHINE = Actor(person_id="operator@machine", role=Role.OPERATOR, scopes=frozenset({Scope.OPERATE}))


class Command(HubCommand):
    """Verify the record, show or rotate its keys, end restore mode."""

    help = "Verify the record, show or rotate its keys, end restore mode."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare one sub-command for each."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("verify")
        actions.add_parser("keys")
        actions.add_parser("rotate-key")
        actions.add_parser("end-restore").add_argument("reason")

    def answer(self, *, action: str, reason: str = "", **_: object) -> Mapping[str, object]:
        """Do what was asked."""
        if action == "verify":
            return asdict(verify())
        if action == "keys":
            return _show_keys()
        if action == "rotate-key":
            return {"key": rotate_key(actor=ON_THE_MACHINE, now=utc_now()).text}
        end_restore(actor=ON_THE_MACHINE, reason=reason, now=utc_now())
        return {"reason": reason}


def _show_keys() -> Mapping[str, object]:
    seal(now=utc_now())
    ring = get_key_ring()
    fingerprints = {key.text: key.fingerprint for key in (*ring.logs, *ring.witnesses)}
    try:
        return {"keys_file": json.loads(ring.render()), "fingerprints": fingerprints}
    except KeyRingIncomplete as error:  # witnesses have to be told the log's key before there is a keys file
        raise KeyRingIncomplete(detail=error.detail, facts=fingerprints) from error
