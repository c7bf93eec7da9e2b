"""A hub's record and its witnesses, all real, and ways to play an operator who goes back on what was published."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core import serializers
from django.db import transaction

from lilong.common.permissions import Actor, Role, Scope
from lilong.foundation.record import models
from lilong.foundation.record.models import Cosignature, Entry, Head, Key, Log, Node, Payload
from lilong.foundation.record.public import append, get_key_ring, seal
from lilong.foundation.record.queries.heads import find_open_log, find_published_head
from lilong.protocol.checkpoint import VerifierKey
from lilong.witness.memory import init_witness, trust_log
from lilong.witness.server import Witness, WitnessServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPERATOR = Actor(
    person_id="per_op", organisation_id="org_hub", role=Role.OPERATOR, scopes=frozenset({Scope.OPERATE, Scope.READ})
)
MEMBER = Actor(person_id="per_a", organisation_id="org_a", role=Role.MEMBER, scopes=frozenset({Scope.READ}))
STRANGER = Actor(person_id="per_b", organisation_id="org_b", role=Role.OWNER, scopes=frozenset({Scope.READ}))
TABLES = (Key, Log, Entry, Payload, Node, Head, Cosignature, models.Witness)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def record(number: int, *, organisation_id: str = "org_a", at: datetime = NOW) -> str:
    """Append one entry about `ord_NUMBER`."""
    with transaction.atomic():
        return append(
            kind="supermarket.settlement",
            subject_id=f"ord_{number}",
            payload={"charged_uc": number},
            organisation_id=organisation_id,
            now=at,
        )


class Auditor:
    """One witness process's worth of witness, served from a thread."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key: VerifierKey = init_witness(folder=folder, name=name)
        self.port = 0
        self._server: WitnessServer | None = None

    @property
    def setting(self) -> str:
        return f"http://127.0.0.1:{self.port} {self.key.text}"

    def trust(self, keys: tuple[VerifierKey, ...]) -> None:
        """Trust logs as a person does who has compared the keys; the witness restarts."""
        self.stop()
        for key in keys:
            trust_log(folder=self.folder, key=key)
        self.start()

    def start(self) -> None:
        self._server = WitnessServer(witness=Witness(self.folder), host="127.0.0.1", port=self.port)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def running_auditors(folder: Path, count: int) -> Iterator[list[Auditor]]:
    auditors = [Auditor(folder / f"witness{number}", f"auditor.example/w{number}") for number in range(1, count + 1)]
    try:
        for auditor in auditors:
            auditor.start()
        yield auditors
    finally:
        for auditor in auditors:
            auditor.stop()


def trust_all(auditors: list[Auditor]) -> None:
    for auditor in auditors:
        auditor.trust(get_key_ring().logs)


def seal_all(at: datetime = NOW) -> int:
    """Seal until nothing waits; return how many were sealed."""
    total = 0
    while sealed := seal(now=at):
        total += sealed
    return total


def published_size() -> int:
    log = find_open_log()
    head = find_published_head(log=log) if log else None
    return head.size if head else 0


def take_snapshot() -> str:
    """Return the record's tables, as a backup would hold them."""
    return str(serializers.serialize("json", [row for table in TABLES for row in table.objects.all()]))


def put_back(snapshot: str) -> None:
    """Replace the record's tables by an older state of them."""
    with transaction.atomic():
        for table in reversed(TABLES):
            table.objects.all().delete()
        for restored in serializers.deserialize("json", snapshot):
            restored.save()
