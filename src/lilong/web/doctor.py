"""Look at all that a hub needs to run well, and say of each thing that is wrong how to mend it. Changes nothing.

A check returns what it found; one that fails in a way nobody foresaw is itself a finding.
"""

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError, connection

from lilong.common.django.tables import require_tables
from lilong.common.django.typesetting import has_han_font
from lilong.common.errors import LilongError
from lilong.foundation.ledger.reactions import verify as verify_books
from lilong.foundation.objects.reactions import probe_storage
from lilong.foundation.outbox.reactions import get_standing, is_leased
from lilong.foundation.record.public import verify as recompute_record
from lilong.foundation.record.reactions import read_status
from lilong.foundation.runs.reactions import list_agents
from lilong.web.backups import find_last_backup
from lilong.web.rounds import LEASE

DISK_SPARE_BYTES = 1 << 30
SKEW_MOST_S = 2.0
LATE_MOST_S = 60.0
AGENT_SILENT = timedelta(minutes=5)
WITNESS_SILENT = timedelta(minutes=10)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Verdict(StrEnum):
    """How bad it is. REFUSED: the hub does not do its work, or its books or secrets are in danger."""

    FINE = "fine"
    WARNING = "warning"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a sentence, which says how to mend what is not fine."""

    name: str
    verdict: Verdict
    message: str


Check = Callable[[datetime], tuple[Verdict, str]]


def examine(*, now: datetime, of_tables: Sequence[tuple[str, Check]] | None = None) -> Sequence[Finding]:
    """Run every check, those of the tables only where there are tables. Writes a few bytes to the object storage.

    of_tables: those to run, if not all.
    """
    findings = [_run(name, check, now) for name, check in OF_MACHINE]
    database = _run("database", _check_database, now)
    findings.append(database)
    if database.verdict is not Verdict.REFUSED:
        findings += [_run(name, check, now) for name, check in (OF_TABLES if of_tables is None else of_tables)]
    return findings


def _run(name: str, check: Check, now: datetime) -> Finding:
    try:
        verdict, message = check(now)
    except LilongError as error:
        sentences = [f"{error.title}.", error.detail, error.next_step]
        return Finding(name, Verdict.REFUSED, " ".join(filter(None, sentences)))
    except (DatabaseError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Finding(name, Verdict.REFUSED, f"{reason}. Mend that and look again.")
    return Finding(name, verdict, message)


def _check_settings(_now: datetime) -> tuple[Verdict, str]:
    hub = settings.LILONG
    url = urlsplit(hub.public_url)
    is_public = url.hostname not in LOOPBACK
    if "*" in hub.allowed_hosts:
        return Verdict.REFUSED, "Any Host header is accepted: name the hub's own hosts in `allowed_hosts`."
    if is_public and url.hostname not in hub.allowed_hosts:
        return Verdict.REFUSED, f"`allowed_hosts` lacks {url.hostname} of `public_url`, so nobody gets in: add it."
    if is_public and url.scheme != "https":
        return Verdict.WARNING, "`public_url` is http: tokens travel in the open. Put a proxy with TLS before the hub."
    if is_public and not hub.witnesses:
        return Verdict.WARNING, "No witness cosigns the record: name at least one in `witnesses`."
    return Verdict.FINE, f"The hub answers as {hub.public_url}."


def _check_keys(_now: datetime) -> tuple[Verdict, str]:
    folder = settings.LILONG.home / "keys"
    secret = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    if not secret:
        return (
            Verdict.REFUSED,
            f"There are no keys in {folder}: `lilong init` makes them, `lilong restore` brings them.",
        )
    open_ones = [path.name for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_ones:
        return Verdict.REFUSED, f"Others may use {', '.join(sorted(open_ones))}: `chmod -R go= {folder}`."
    foreign = [path.name for path in secret if path.stat().st_uid != os.geteuid()]
    if foreign:
        return (
            Verdict.WARNING,
            f"{', '.join(sorted(foreign))} belong to another user than the one who asks: `chown` them.",
        )
    return Verdict.FINE, f"{len(secret)} keys, for their owner alone."


def _check_disk(_now: datetime) -> tuple[Verdict, str]:
    home, reserve_bytes = settings.LILONG.home, settings.LILONG.storage_reserve_bytes
    free_bytes = shutil.disk_usage(home).free
    said = f"{free_bytes >> 20} MiB are free under {home}"
    if free_bytes < reserve_bytes:
        return Verdict.REFUSED, f"{said}, below `storage_reserve_bytes`, so uploads are refused: make room."
    if free_bytes < reserve_bytes + DISK_SPARE_BYTES:
        return Verdict.WARNING, f"{said}: make room before uploads are refused."
    return Verdict.FINE, f"{said}."


def _check_backup(now: datetime) -> tuple[Verdict, str]:
    last_at, keep_hours = find_last_backup(home=settings.LILONG.home), settings.LILONG.agent_keep_spool_hours
    if last_at is None:
        return Verdict.WARNING, "No backup was written from here: `lilong backup FILE`, to another machine."
    hours = (now - last_at) / timedelta(hours=1)
    if hours > keep_hours:
        kept = f"agents let go of what they delivered after {keep_hours} (`agent_keep_spool_hours`)"
        return Verdict.WARNING, f"The last backup is {hours:.0f} hours old, and {kept}: back up more often."
    return Verdict.FINE, f"The last backup is {hours:.0f} hours old."


def _check_papers(_now: datetime) -> tuple[Verdict, str]:
    if not has_han_font():
        return Verdict.WARNING, "No font has Chinese characters, so invoices with some fail: install fonts-noto-cjk."
    return Verdict.FINE, "Papers can be set as PDF, in Chinese, too."


def _check_storage(_now: datetime) -> tuple[Verdict, str]:
    probe_storage()
    return (
        Verdict.FINE,
        f"Bytes can be written, read and deleted in {settings.LILONG.objects_url or 'the folder objects'}.",
    )


def _check_database(_now: datetime) -> tuple[Verdict, str]:
    require_tables()
    return Verdict.FINE, f"{connection.vendor} answers, and its tables are those of this version."


def _check_clock(now: datetime) -> tuple[Verdict, str]:
    if connection.vendor != "postgresql":
        return Verdict.FINE, "The database has the clock of this machine."
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXTRACT(EPOCH FROM clock_timestamp() - %s)", [now])
        (ahead_s,) = cursor.fetchone()
    if abs(float(ahead_s)) > SKEW_MOST_S:
        return Verdict.WARNING, f"The database's clock is {float(ahead_s):+.1f} s from here: let NTP set both."
    return Verdict.FINE, "This machine and the database agree on the time."


def _check_worker(now: datetime) -> tuple[Verdict, str]:
    if not is_leased(name=LEASE, now=now):
        return Verdict.REFUSED, "No worker runs: start `lilong serve` or `lilong worker`; its log says why one ended."
    return Verdict.FINE, "A worker runs."


def _check_outbox(now: datetime) -> tuple[Verdict, str]:
    standing = get_standing(now=now)
    if standing.dead:
        return Verdict.WARNING, f"{standing.dead} deliveries were given up: /api/v1/outbox/dead-letters says why."
    if standing.late_s > LATE_MOST_S:
        return Verdict.WARNING, f"The oldest delivery is {standing.late_s:.0f} s late: look at the worker's log."
    return Verdict.FINE, f"{standing.waiting} deliveries wait, none for long."


def _check_agents(now: datetime) -> tuple[Verdict, str]:
    agents = list_agents()
    silent = [agent for agent in agents if now - agent.last_sync_at > AGENT_SILENT]
    if silent:
        names = ", ".join(
            f"{agent.pool_name} ({agent.pool_id}, {(now - agent.last_sync_at) // timedelta(minutes=1)} min)"
            for agent in silent[:5]
        )
        return Verdict.WARNING, f"{len(silent)} agents are silent, as {names}: `lilong agent check` there says why."
    return Verdict.FINE, f"{len(agents)} agents have called within {AGENT_SILENT // timedelta(minutes=1)} minutes."


def _check_books(now: datetime) -> tuple[Verdict, str]:
    report = verify_books(now=now)
    if not report.is_balanced:
        return (
            Verdict.REFUSED,
            "The books do not add up: stop paying out; `lilong ledger verify` names each difference.",
        )
    return Verdict.FINE, f"{report.accounts} accounts and {report.transfers} transfers recomputed."


def _check_record(now: datetime) -> tuple[Verdict, str]:
    status = read_status(now=now)
    silent = [
        f"{witness.name}: {witness.problem or 'not heard of'}"
        for witness in status.witnesses
        if witness.checked_at is None or now - witness.checked_at > WITNESS_SILENT
    ]
    if silent:
        return Verdict.WARNING, f"Witnesses did not confirm the record ({'; '.join(silent)}): ask those who run them."
    if status.restoring:
        return (
            Verdict.WARNING,
            "Pay-outs are frozen after a restore: match statements, then `lilong record end-restore`.",
        )
    return Verdict.FINE, f"{status.published_size} entries are published, {status.waiting} wait."


def _verify_record(_now: datetime) -> tuple[Verdict, str]:
    report = recompute_record()
    if report.problems:
        return (
            Verdict.REFUSED,
            f"The record does not verify: {report.problems[0]} Keep this home, and restore the last backup that does.",
        )
    return Verdict.FINE, f"{report.entries} entries and {report.heads} heads recomputed."


OF_MACHINE: Sequence[tuple[str, Check]] = (
    ("settings", _check_settings),
    ("keys", _check_keys),
    ("disk", _check_disk),
    ("backup", _check_backup),
    ("storage", _check_storage),
    ("papers", _check_papers),
)
OF_TABLES: Sequence[tuple[str, Check]] = (
    ("clock", _check_clock),
    ("worker", _check_worker),
    ("outbox", _check_outbox),
    ("agents", _check_agents),
    ("books", _check_books),
    ("record", _check_record),
)
OF_STANDSTILL: Sequence[tuple[str, Check]] = (
    ("clock", _check_clock),
    ("books", _check_books),
    ("record", _verify_record),
)
"""What is looked at while the hub does not run: its record is recomputed, as no witness is asked."""
